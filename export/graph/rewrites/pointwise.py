"""1x1 convolutions that read one tensor."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.rewrites.convolution import Convolution


class Pointwise(nn.Module):
    """Several dense convolutions of one tensor, each with its own output."""

    def __init__(self, convolutions: Sequence[Convolution], dtype: torch.dtype) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolution.module(dtype) for convolution in convolutions)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, i, H, W) -> one (N, o_k, H, W) for each convolution."""
        return [convolution(x) for convolution in self.convolutions]
