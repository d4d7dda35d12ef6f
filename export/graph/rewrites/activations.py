"""PReLU as a maximum.

    prelu(x) = max(x, a x)   where a <= 1
Precondition: no slope is above 1; otherwise PReLU stays.
"""

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Activation


class Maximum(nn.Module):
    """The maximum of x and slope * x, for slopes of at most 1."""

    slopes: Tensor

    def __init__(self, slopes: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes.detach().to(dtype)[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return torch.maximum(x, x * self.slopes)


def prelu(slopes: Tensor, activation: Activation, dtype: torch.dtype) -> nn.Module:
    """PReLU with these slopes, (channels,), in the requested form if the slopes permit it."""
    if activation == "maximum" and bool((slopes <= 1).all()):
        return Maximum(slopes, dtype)
    found = nn.PReLU(len(slopes), dtype=dtype)
    with torch.no_grad():
        found.weight.copy_(slopes)
    return found.requires_grad_(False)
