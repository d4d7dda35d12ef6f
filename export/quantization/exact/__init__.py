"""Arithmetic with the same bits on every processor, and a graph evaluator that uses it."""
