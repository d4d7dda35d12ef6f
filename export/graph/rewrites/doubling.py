"""Bilinear upsampling to exactly twice the size, as convolutions.

With align_corners=False an output row 2i is 1/4 x_(i-1) + 3/4 x_i and 2i+1 is 3/4 x_i + 1/4 x_(i+1), rows beyond the
edge being copies of it; columns likewise. So, after edge padding by 1,
    phases:      a 3x3 convolution to the four (row, column) parities, then depth to space
    transposed:  a depthwise transposed 4x4 convolution of stride 2, cropped by the padding; taps 1/4 3/4 3/4 1/4
    rows:        a 1x3 convolution to both column parities, which are the doubled row once columns are read as packed;
                 then each whole row is channels, and two depthwise 3x1 convolutions give its two row parities
Precondition: the output is exactly twice the input in both axes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EDGE = (1, 1, 1, 1)
_EVEN, _ODD = (0.25, 0.75, 0.0), (0.0, 0.75, 0.25)


class Phases(nn.Module):
    """By four phases and depth to space; cheapest for few channels."""

    weight: Tensor

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        taps = torch.tensor([_EVEN, _ODD], dtype=dtype)
        kernels = torch.einsum("ai,bj->abij", taps, taps).reshape(4, 1, 3, 3)
        self.channels = channels
        self.register_buffer("weight", kernels.repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2 H, 2 W)."""
        x = F.pad(x, _EDGE, mode="replicate")
        return F.pixel_shuffle(F.conv2d(x, self.weight, groups=self.channels), 2)


class Transposed(nn.Module):
    """By a depthwise transposed convolution; cheapest for many channels."""

    weight: Tensor

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        taps = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=dtype)
        self.channels = channels
        self.register_buffer("weight", torch.outer(taps, taps).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2 H, 2 W)."""
        x = F.pad(x, _EDGE, mode="replicate")
        return F.conv_transpose2d(x, self.weight, stride=2, padding=3, groups=self.channels)


class Rows(nn.Module):
    """By columns, then by whole rows, on full vectors; cheapest where packing moves nothing (see columns)."""

    across: Tensor
    even: Tensor
    odd: Tensor

    def __init__(self, channels: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        even, odd = torch.tensor(_EVEN, dtype=dtype), torch.tensor(_ODD, dtype=dtype)
        across = torch.einsum("at,co->acot", torch.stack([even, odd]), torch.eye(channels, dtype=dtype))
        self.columns, self.row = 2 * width, 2 * width * channels
        self.register_buffer("across", across.reshape(2 * channels, channels, 1, 3))
        self.register_buffer("even", even.reshape(1, 1, 3, 1).repeat(self.row, 1, 1, 1))
        self.register_buffer("odd", odd.reshape(1, 1, 3, 1).repeat(self.row, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, width) -> (N, C, 2 H, 2 width)."""
        _, channels, height, _ = x.shape
        pairs = F.conv2d(F.pad(x, _EDGE, mode="replicate"), self.across)
        rows = pairs.permute(0, 2, 3, 1).reshape(-1, height + 2, 1, self.row).permute(0, 3, 1, 2)
        both = [F.conv2d(rows, kernel, groups=self.row) for kernel in (self.even, self.odd)]
        stack = torch.cat(both, 1).permute(0, 2, 3, 1)
        return stack.reshape(-1, 2 * height, self.columns, channels).permute(0, 3, 1, 2)
