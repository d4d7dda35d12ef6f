"""The transition from one stage to the next."""

from typing import cast

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.batch_norm import normalised
from miniseg_edge.export.graph.rewrites.blocks import LongTail, Pyramid, down_entry, long_entry
from miniseg_edge.export.graph.rewrites.columns import packed_join, unpack
from miniseg_edge.export.graph.rewrites.convolution import convolution_from
from miniseg_edge.export.graph.rewrites.exchange import entries_through
from miniseg_edge.export.graph.rewrites.packed_stage import PAIR
from miniseg_edge.export.graph.rewrites.pointwise import Pointwise
from miniseg_edge.training.networks.miniseg import AHSPBlock, DownsamplerBlock, MiniSeg


class Entrance(nn.Module):
    """From a stage's (long, out) through the exchange and the next stage's first two blocks to its (long, out).

    Args:
        network: the trained network.
        stage: the next stage, 2 to 4.
        columns: width of that stage's maps in pixels.
        form: as said there.
        packed: whether the input is packed by pairs of columns.
        dtype: of the weights.
    """

    def __init__(
        self, network: MiniSeg, stage: int, columns: int | None, form: Form, dtype: torch.dtype, *, packed: bool = False
    ) -> None:
        super().__init__()
        exchange = cast("nn.Sequential", network.get_submodule(f"cat{stage - 1}"))
        long = cast("DownsamplerBlock", network.get_submodule(f"long{stage}"))
        down = cast("AHSPBlock", network.get_submodule(f"down{stage}"))
        mixed = normalised(convolution_from(cast("nn.Conv2d", exchange[0])), cast("nn.BatchNorm2d", exchange[1]))
        entries = entries_through(mixed, long_entry(long), down_entry(down, form))
        widths = [mixed.inputs // 2] * 2
        self.packed = packed
        self.entries = Pointwise([packed_join(entry, widths, PAIR) for entry in entries] if packed else entries, dtype)
        self.long, self.down = LongTail(long, form, dtype), Pyramid(down, columns, form, dtype)

    def forward(self, long: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """(long, out) -> (long, out) at half the size."""
        side, main = self.entries(torch.cat([long, out], 1))
        if self.packed:
            side, main = unpack(side, PAIR), unpack(main, PAIR)
        return self.long(side), self.down(main)
