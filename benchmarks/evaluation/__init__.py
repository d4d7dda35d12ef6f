"""Accuracy against labels: the published scores exactly, and corrected ones."""
