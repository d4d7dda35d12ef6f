"""Accuracy against labels: the published scores exactly, and beside them what they leave out."""
