"""Bilinear upsampling between two sizes that are known when the graph is built."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniseg_edge.export.forms import Doubling
from miniseg_edge.export.rewrites.doubling import Phases, Rows, Transposed

Size = tuple[int, int]


class Upsampling(nn.Module):
    """By convolutions where both sides are exactly doubled and the form says so, by interpolation otherwise."""

    def __init__(self, channels: int, before: Size, after: Size, doubling: Doubling, dtype: torch.dtype) -> None:
        super().__init__()
        self.size = after
        exact = after == (2 * before[0], 2 * before[1])
        self.doubled = _doubled(doubling, channels, before[1], dtype) if exact else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, before) -> (N, C, after)."""
        if self.doubled is not None:
            out: Tensor = self.doubled(x)
            return out
        return F.interpolate(x, self.size, mode="bilinear", align_corners=False)


def _doubled(doubling: Doubling, channels: int, width: int, dtype: torch.dtype) -> nn.Module | None:
    if doubling == "rows":
        return Rows(channels, width, dtype)
    if doubling == "phases":
        return Phases(channels, dtype)
    return Transposed(channels, dtype) if doubling == "transposed" else None
