"""The network's blocks in a form, each behind its first 1x1 convolution.

What a block reads first is a 1x1 convolution (`down_entry`, `long_entry`), which the stage merges with what stands
before or beside it; the modules here take its output.
"""

import torch
from torch import Tensor, nn

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.export.forms import Form
from miniseg_edge.export.rewrites.activations import prelu
from miniseg_edge.export.rewrites.average_pool import with_average
from miniseg_edge.export.rewrites.batch_norm import normalised, normalised_terms, scale_and_shift
from miniseg_edge.export.rewrites.columns import PackedConvolution, unpack
from miniseg_edge.export.rewrites.convolution import Convolution, convolution_from
from miniseg_edge.export.rewrites.grouped import dense
from miniseg_edge.export.rewrites.parallel import side_by_side, stacked, summed
from miniseg_edge.export.rewrites.pointwise import Joined
from miniseg_edge.export.rewrites.pyramid import cumulative, expanded, spread
from miniseg_edge.export.rewrites.tap_grid import common_grid, on_grid
from miniseg_edge.training.network import AHSPBlock, ConvBlock, DownsamplerBlock, FeatureFusionBlock


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
        self.body: nn.Module = (_GateAfter if form.gate == "after" else _GateBefore)(
            block, columns, [b.outputs for b in branches], form, dtype
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, n, H, W), or (N, 2 n, H, W) with paired branches -> (N, o, H / stride, W / stride)."""
        out: Tensor = self.body([branch(x) for branch in self.branches])
        return out


class _GateAfter(nn.Module):
    """Act(F e * (1 + sigmoid(G e)) + shift)."""

    def __init__(
        self, block: AHSPBlock, columns: int | None, widths: list[int], form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        width = block.conv1.out_channels
        scale, shift = scale_and_shift(block.bn)
        fuse = cumulative(convolution_from(block.conv1x1_fuse))
        attention = convolution_from(block.attention)
        per_channel = form.gate_maps == "channels"
        gates = cumulative(expanded(attention, width) if per_channel else attention)
        self.shared = form.join == "concatenated"
        widths = [sum(widths)] if self.shared else widths
        self.fuse = Joined(fuse.with_(weight=fuse.weight * scale[:, None, None, None]), widths, form.join, dtype)
        fits = columns is not None and columns % BRANCHES == 0
        packed = form.packed and not per_channel and self.shared and fits
        self.attention = (
            PackedConvolution(gates, BRANCHES, nn.Sigmoid(), dtype)
            if packed
            else Joined(gates, widths, form.join, dtype)
        )
        self.packed = packed
        self.spread = None if per_channel else spread(width).module(dtype)
        self.shift = nn.Buffer(shift.to(dtype)[None, :, None, None])
        self.act = prelu(block.act.weight, form.activation, dtype)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """The branches' own convolutions -> (N, o, H, W)."""
        branches = [torch.cat(branches, 1)] if self.shared else branches
        gates = (
            unpack(self.attention(branches[0]), BRANCHES) if self.packed else torch.sigmoid(self.attention(branches))
        )
        if self.spread is not None:
            gates = self.spread(gates)
        out: Tensor = self.act(self.fuse(branches) * (gates + 1) + self.shift)
        return out


class _GateBefore(nn.Module):
    """Act(fuse(d * sigmoid(A d) + d)), d the cumulative sums."""

    def __init__(
        self, block: AHSPBlock, columns: int | None, widths: list[int], form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        width = block.conv1.out_channels
        if form.branches == "paired":
            raise ValueError("gates before the fusing convolution need the four branches apart")
        self.fuse = dense(normalised(convolution_from(block.conv1x1_fuse), block.bn)).module(dtype)
        self.attention = expanded(convolution_from(block.attention), width).module(dtype)
        self.act = prelu(block.act.weight, form.activation, dtype)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """The branches' own convolutions -> (N, o, H, W)."""
        sums = branches[:1]
        for branch in branches[1:]:
            sums.append(branch + sums[-1])
        stack = torch.cat(sums, 1)
        out: Tensor = self.act(self.fuse(stack * torch.sigmoid(self.attention(stack)) + stack))
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
