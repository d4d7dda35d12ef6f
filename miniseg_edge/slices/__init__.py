"""Slices: how they are read, what their values mean, and how they become the network's input."""
