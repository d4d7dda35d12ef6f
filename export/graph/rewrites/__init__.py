"""Exact rewrites of the network's graph, one per file, each with its equation and its precondition."""
