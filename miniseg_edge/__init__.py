"""MiniSeg Edge: deploy a trained MiniSeg network, and prove that it still segments the same lesions.

    import miniseg_edge

    with miniseg_edge.load("bundle") as segmenter:
        result = segmenter.segment(slice_)      # (H, W) uint8 grey
        result.mask                             # (H, W) uint8, 1 where lesion

This package imports no torch and no onnx, and a vendor's package only when its runtime is opened.
"""

import logging

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import MiniSegError

try:
    from miniseg_edge.runtimes.segmenter.loading import load
    from miniseg_edge.runtimes.segmenter.segmentation import Segmentation, VolumeSegmentation
    from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
except ModuleNotFoundError as error:
    if error.name != "miniseg_edge.runtimes":
        raise
    raise ImportError(
        "this folder is a checkout of MiniSeg Edge, whose miniseg_edge/ is only a part of the package and hides the "
        "installed one. Run `pip install -e .` here, or start Python in another folder."
    ) from error

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "MiniSegError",
    "Segmentation",
    "Segmenter",
    "VolumeSegmentation",
    "__version__",
    "load",
    "open_bundle",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())
