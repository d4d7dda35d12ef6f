"""`miniseg-bench archive`: the cost of an archive, and the effect of more workers."""
