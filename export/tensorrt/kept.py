"""What FP16 leaves alone."""

KEPT_IN_FP32 = ("window/", "first/", "pred1/", "enlarge", "mask/")
"""Blocks whose nodes stay in FP32: the HU window and the normalisation, where values are largest, and everything from
the logits on, where a small error moves the mask's edge.
"""


def kept_in_fp32(name: str) -> bool:
    """Whether a node with that name stays in FP32; the vendors' parsers name a layer after its node."""
    return name.startswith(KEPT_IN_FP32)
