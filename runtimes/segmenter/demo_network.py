"""Recognises the demo network, so that none of its results passes for a patient's."""

from miniseg_edge.bundle.bundle import Bundle

DEMO_SHA256 = "9a2c9e208d0473c8e7904fdff777e3f59dabea094d9d089d77990b2f4e6bf5ac"
"""Of the shipped demo checkpoint, `miniseg_edge/training/demo.pth`."""

DEMO_REMARK = "made by the demo network, which was trained on synthetic slices and knows nothing of real lungs"

DEMO_WARNING = "this is the demo network, which was trained on synthetic slices and knows nothing of real lungs"
"""For commands that start before they have a result."""


def is_demo(bundle: Bundle) -> bool:
    """Whether a bundle was exported from the demo checkpoint."""
    return bundle.manifest.checkpoint.sha256 == DEMO_SHA256
