"""Bilinear upsampling to the size of another map, in the cheapest way that the sizes permit."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Doubling
from miniseg_edge.export.graph.rewrites.doubling import Phases, Rows, Transposed

Size = tuple[int, int]


class Upsampling(nn.Module):
    """By convolutions if both sides are known to double and the form says so, otherwise by interpolation.

    Args:
        channels: of the map.
        before, after: its size and the other's, or None if only known at the call.
        doubling: how, where the size doubles.
        dtype: of the weights.
    """

    def __init__(
        self, channels: int, before: Size | None, after: Size | None, doubling: Doubling, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.size = after
        self.doubled: nn.Module | None = None
        if before is not None and after == (2 * before[0], 2 * before[1]):
            self.doubled = _doubled(doubling, channels, before[1], dtype)

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """(N, C, before), and a map of any channels and the size after -> (N, C, after)."""
        if self.doubled is not None:
            out: Tensor = self.doubled(x)
            return out
        return F.interpolate(x, self.size or like.shape[-2:], mode="bilinear", align_corners=False)


def _doubled(doubling: Doubling, channels: int, width: int, dtype: torch.dtype) -> nn.Module | None:
    if doubling == "rows":
        return Rows(channels, width, dtype)
    if doubling == "phases":
        return Phases(channels, dtype)
    return Transposed(channels, dtype) if doubling == "transposed" else None
