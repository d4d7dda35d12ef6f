"""The extra that installs engines used only by peers."""

EXTRA = "peers"

DISTRIBUTIONS = ("MNN", "ncnn", "pnnx")
"""Packages whose versions a report names."""
