"""Checkpoint -> deployment graph -> ONNX -> vendors' formats; each step is a function that checks its result."""

import miniseg_edge.training  # noqa: F401  settles how torch's threads wait before any step imports torch
from miniseg_edge.export.call import export

__all__ = ["export"]
