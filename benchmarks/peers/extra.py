"""What installs the engines that are peers alone."""

EXTRA = "peers"

DISTRIBUTIONS = ("MNN", "ncnn", "pnnx")
"""Whose versions a report names."""
