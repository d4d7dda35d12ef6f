"""Neighbouring columns as channels: a dense convolution with few channels as one with more, on narrower maps.

With p columns to a block, pack(x)[(b, i), h, j] = x[i, h, p j + b]. A convolution of stride s and k taps over columns
reads, for output column p j + a, the input columns s (p j + a) + d, d = 0 .. k - 1, counted from the left border's
padding. Written as s p (j + t) + b they are tap t of input block j + t, so
    pack_p(W * x) = W' * pack_(s p)(padded x),   W'[(a, o), (b, i), :, t] = W[o, i, :, d] where s p t + b = s a + d
and 0 where no d fits. In channels-last memory packing moves nothing: it only reads the same bytes in another shape.
More multiplications by zero, but whole vector registers: it pays where channels are fewer than a register's lanes.
Precondition: dense, dilation 1, and an input width that is a multiple of s p.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniseg_edge.export.graph.rewrites.convolution import Convolution


def pack(x: Tensor, columns: int) -> Tensor:
    """(N, C, H, W) -> (N, columns C, H, W / columns)."""
    _, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(-1, height, width // columns, columns * channels)
    return rows.permute(0, 3, 1, 2)


def unpack(x: Tensor, columns: int) -> Tensor:
    """(N, columns C, H, W) -> (N, C, H, columns W)."""
    _, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(-1, height, width * columns, channels // columns)
    return rows.permute(0, 3, 1, 2)


def packed_join(convolution: Convolution, widths: Sequence[int], columns: int) -> Convolution:
    """A dense 1x1 convolution of concatenated tensors, on tensors that are packed first and concatenated then."""
    parts = [convolution.with_(weight=part) for part in torch.split(convolution.weight, list(widths), 1)]
    return convolution.with_(
        weight=torch.cat([packed_weight(part, columns) for part in parts], 1), bias=convolution.bias.repeat(columns)
    )


def packed_weight(convolution: Convolution, columns: int) -> Tensor:
    """W': (columns o, stride columns i, k, taps)."""
    if convolution.groups != 1 or convolution.dilation != 1:
        raise ValueError("only dense, undilated convolutions are packed")
    weight, stride, kernel = convolution.weight, convolution.stride, convolution.kernel
    block = stride * columns
    taps = -(-(stride * (columns - 1) + kernel) // block)
    outputs, inputs = weight.shape[:2]
    found = torch.zeros(columns, outputs, block, inputs, kernel, taps, dtype=weight.dtype)
    for a in range(columns):
        for d in range(kernel):
            tap, b = divmod(stride * a + d, block)
            found[a, :, b, :, :, tap] = weight[:, :, :, d]
    return found.reshape(columns * outputs, block * inputs, kernel, taps)


class PackedConvolution(nn.Module):
    """A convolution and what follows it for each channel, from plain or packed columns to packed columns.

    Args:
        convolution: dense, undilated.
        columns: output columns to a block; the input's width is a multiple of stride * columns.
        after: for the packed output: channel c of column a is channel a o + c.
        border: None for zero padding; else the value that the input is padded with.
    """

    def __init__(
        self, convolution: Convolution, columns: int, after: nn.Module, dtype: torch.dtype, border: float | None = None
    ) -> None:
        super().__init__()
        weight = packed_weight(convolution, columns)
        reach = convolution.padding
        self.columns, self.block, self.channels = columns, convolution.stride * columns, convolution.inputs
        self.left, self.right = reach, (weight.shape[3] - 1) * self.block - reach
        self.border = border
        bias = bool(convolution.bias.any())
        self.conv = nn.Conv2d(
            weight.shape[1], weight.shape[0], (weight.shape[2], weight.shape[3]), (convolution.stride, 1),
            (reach if border is None else 0, 0), bias=bias, dtype=dtype,
        ).requires_grad_(False)  # fmt: skip
        with torch.no_grad():
            self.conv.weight.copy_(weight)
            if self.conv.bias is not None:
                self.conv.bias.copy_(convolution.bias.repeat(columns))
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W), or the same packed by `columns` -> (N, columns o, H / stride, W / (stride columns))."""
        if not (self.left or self.right) and x.shape[1] == self.conv.in_channels:
            out: Tensor = self.after(self.conv(x))
            return out
        _, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, height, width * channels)
        if self.left or self.right:
            above = 0 if self.border is None else self.conv.kernel_size[0] // 2
            value = 0.0 if self.border is None else self.border
            # Whole rows are padded: a column consists of as many entries as there are channels.
            rows = F.pad(rows, (self.left * self.channels, self.right * self.channels, above, above), value=value)
            height += 2 * above
        entries = self.block * self.channels
        blocks = rows.reshape(-1, height, rows.shape[2] // entries, entries).permute(0, 3, 1, 2)
        out = self.after(self.conv(blocks))
        return out
