"""Networks: MiniSeg as trained, others by name, and what is asked of all of them."""
