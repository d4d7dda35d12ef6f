"""Exact rewrites of the network's graph: each file one idea, with its equation and its precondition."""
