"""Slices: reading them, what their values mean, and how they become the network's input."""
