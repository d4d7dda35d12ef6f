"""`miniseg-bench archive`: what an archive costs, and what more workers would bring."""
