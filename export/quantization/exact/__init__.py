"""Arithmetic with the same bits on every processor, and a graph that is run with it."""
