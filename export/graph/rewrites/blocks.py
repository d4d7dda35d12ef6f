"""The network's blocks in a form, each behind its first 1x1 convolution.

A block first reads a 1x1 convolution (`down_entry`, `long_entry`), which the entrance merges with the preceding
operators; the modules here take its output.
"""

import torch
from torch import Tensor, nn

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.activations import prelu
from miniseg_edge.export.graph.rewrites.average_pool import with_average
from miniseg_edge.export.graph.rewrites.batch_norm import normalised, normalised_terms, scale_and_shift
from miniseg_edge.export.graph.rewrites.columns import PackedConvolution, unpack
from miniseg_edge.export.graph.rewrites.convolution import Convolution, convolution_from
from miniseg_edge.export.graph.rewrites.parallel import side_by_side, stacked, summed
from miniseg_edge.export.graph.rewrites.pyramid import cumulative, expanded, spread
from miniseg_edge.export.graph.rewrites.tap_grid import common_grid, on_grid
from miniseg_edge.training.networks.miniseg import AHSPBlock, ConvBlock, DownsamplerBlock, FeatureFusionBlock


def long_entry(block: DownsamplerBlock) -> Convolution:
    """The 1x1 convolution of a long block."""
    return convolution_from(block.conv0)


def down_entry(block: AHSPBlock, form: Form) -> Convolution:
    """The 1x1 convolution of a pyramid; with paired branches each channel twice."""
    found = convolution_from(block.conv1x1_down)
    return side_by_side(found, found) if form.branches == "paired" else found


class LongTail(nn.Module):
    """A long block behind its 1x1 convolution: depthwise 5x5 with the normalisation inside, PReLU."""

    def __init__(self, block: DownsamplerBlock, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = normalised(convolution_from(block.conv1), block.bn).module(dtype)
        self.act = prelu(block.act.weight, form.activation, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(N, o, H, W) -> (N, o, H / stride, W / stride)."""
        out: Tensor = self.act(self.conv(x))
        return out


class DenseBlock(nn.Module):
    """A conv block: 3x3 with the normalisation inside, PReLU."""

    def __init__(self, block: ConvBlock, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = normalised(convolution_from(block.conv), block.bn).module(dtype)
        self.act = prelu(block.act.weight, form.activation, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H, W)."""
        out: Tensor = self.act(self.conv(x))
        return out


def _branches(block: AHSPBlock) -> list[Convolution]:
    first, *others = (convolution_from(getattr(block, f"conv{k}")) for k in range(1, BRANCHES + 1))
    return [with_average(first), *others]


class Pyramid(nn.Module):
    """An AHSP block behind its 1x1 convolution."""

    def __init__(self, block: AHSPBlock, columns: int | None, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        branches = _branches(block)
        self.paired = form.branches == "paired"
        if self.paired:
            # Dilations 1 and 2 lie on one 5x5 grid, and 4 and 8 on the same with taps 4 apart.
            near = stacked(*common_grid(*branches[:2]))
            far = stacked(*(on_grid(branch, 5, branches[2].dilation) for branch in branches[2:]))
            branches = [near, far]
        self.branches = nn.ModuleList(branch.module(dtype) for branch in branches)
        self.body = _Gates(block, columns, form, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(N, n, H, W), or (N, 2 n, H, W) with paired branches -> (N, o, H / stride, W / stride)."""
        out: Tensor = self.body([branch(x) for branch in self.branches])
        return out


class _Gates(nn.Module):
    """Act(F e * (1 + sigmoid(G e)) + shift), e the concatenated branches."""

    def __init__(self, block: AHSPBlock, columns: int | None, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        width = block.conv1.out_channels
        scale, shift = scale_and_shift(block.bn)
        fuse = cumulative(convolution_from(block.conv1x1_fuse))
        attention = convolution_from(block.attention)
        per_channel = form.gate_maps == "channels"
        gates = cumulative(expanded(attention, width) if per_channel else attention)
        self.fuse = fuse.with_(weight=fuse.weight * scale[:, None, None, None]).module(dtype)
        fits = columns is not None and columns % BRANCHES == 0
        self.packed = form.packed and not per_channel and fits
        self.attention = PackedConvolution(gates, BRANCHES, nn.Sigmoid(), dtype) if self.packed else gates.module(dtype)
        self.spread = None if per_channel else spread(width).module(dtype)
        self.shift = nn.Buffer(shift.to(dtype)[None, :, None, None])
        self.act = prelu(block.act.weight, form.activation, dtype)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """The branches' own convolutions -> (N, o, H, W)."""
        stack = torch.cat(branches, 1)
        gates = unpack(self.attention(stack), BRANCHES) if self.packed else torch.sigmoid(self.attention(stack))
        if self.spread is not None:
            gates = self.spread(gates)
        out: Tensor = self.act(self.fuse(stack) * (gates + 1) + self.shift)
        return out


class FusionTail(nn.Module):
    """A fusion block behind its 1x1 convolution: two depthwise convolutions with the normalisation inside."""

    def __init__(self, block: FeatureFusionBlock, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        terms = normalised_terms(convolution_from(block.conv1), convolution_from(block.conv2), norm=block.bn)
        if form.fusion == "merged":
            terms = (summed(*common_grid(*terms)),)
        self.terms = nn.ModuleList(term.module(dtype) for term in terms)

    def forward(self, x: Tensor) -> Tensor:
        """(N, o, H, W) -> (N, o, H, W)."""
        total: Tensor = self.terms[0](x)
        for term in self.terms[1:]:
            total = total + term(x)
        return total
