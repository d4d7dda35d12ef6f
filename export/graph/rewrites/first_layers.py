"""The two first layers, with the normalisation as an operator in front or inside."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.activations import prelu
from miniseg_edge.export.graph.rewrites.batch_norm import normalised
from miniseg_edge.export.graph.rewrites.chain import composed
from miniseg_edge.export.graph.rewrites.columns import PackedConvolution
from miniseg_edge.export.graph.rewrites.convolution import Convolution, convolution_from
from miniseg_edge.export.graph.rewrites.grey_input import grey
from miniseg_edge.export.graph.rewrites.normalisation import Normalisation
from miniseg_edge.export.graph.rewrites.packed_stage import PAIR
from miniseg_edge.export.graph.rewrites.parallel import side_by_side
from miniseg_edge.export.graph.rewrites.tap_grid import common_grid
from miniseg_edge.training.networks.miniseg import MiniSeg


def first_convolutions(network: MiniSeg, channels: int = 1) -> tuple[Convolution, Convolution]:
    """The dense convolutions of `long1` (5x5, its 1x1 inside) and `down1` (3x3), on normalised channels.

    One channel is a grey slice, which the network reads as equal channels; otherwise they are the network's own.
    """
    long, down = network.long1, network.down1
    side = normalised(composed(convolution_from(long.conv0), convolution_from(long.conv1)), long.bn)
    main = normalised(convolution_from(down.conv), down.bn)
    return (grey(side), grey(main)) if channels == 1 else (side, main)


class FirstLayers(nn.Module):
    """Both layers as one convolution, whose output is split."""

    def __init__(
        self, network: MiniSeg, channels: int, normalisation: Normalisation, form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        layer = side_by_side(*common_grid(*first_convolutions(network, channels)))
        self.normalisation, self.padding = normalisation, 0
        if form.normalisation == "padding":
            layer, self.padding = normalisation.inside(layer), layer.padding
        self.conv = layer.module(dtype)
        if self.padding:
            self.conv.padding = (0, 0)
        self.act = prelu(torch.cat([network.long1.act.weight, network.down1.act.weight]), form.activation, dtype)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) raw values -> long and out, each (N, c, H / 2, W / 2)."""
        if self.padding:
            x = F.pad(x, (self.padding,) * 4, value=self.normalisation.zero)
        else:
            x = x * self.normalisation.factor + self.normalisation.offset
        long, out = self.act(self.conv(x)).chunk(2, 1)
        return long, out


class PackedFirstLayers(nn.Module):
    """Both layers apart, on packed columns: packed outputs need no split. The width is a multiple of 2 PAIR."""

    def __init__(
        self, network: MiniSeg, channels: int, normalisation: Normalisation, form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        long, down = first_convolutions(network, channels)
        border = None
        if form.normalisation == "padding":
            long, down, border = normalisation.inside(long), normalisation.inside(down), normalisation.zero
        self.normalisation, self.raw = normalisation, border is not None
        acts = (prelu(b.act.weight.repeat(PAIR), form.activation, dtype) for b in (network.long1, network.down1))
        self.long, self.down = (
            PackedConvolution(conv, PAIR, act, dtype, border) for conv, act in zip((long, down), acts, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) raw values -> long and out, each (N, PAIR c, H / 2, W / 2 / PAIR)."""
        if not self.raw:
            x = x * self.normalisation.factor + self.normalisation.offset
        return self.long(x), self.down(x)
