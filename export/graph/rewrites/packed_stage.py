"""Stage 1 on packed columns."""

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.activations import prelu
from miniseg_edge.export.graph.rewrites.batch_norm import normalised
from miniseg_edge.export.graph.rewrites.blocks import LongTail, long_entry
from miniseg_edge.export.graph.rewrites.columns import PackedConvolution, pack, unpack
from miniseg_edge.export.graph.rewrites.convolution import convolution_from
from miniseg_edge.training.networks.miniseg import ConvBlock, DownsamplerBlock, MiniSeg

PAIR = 2
"""Columns to a block: 8 channels become the 16 lanes of a 512-bit register."""


class PackedFirstStage(nn.Module):
    """The blocks of stage 1; sums and 3x3 convolutions on packed columns, only the depthwise 5x5 on plain ones."""

    def __init__(self, network: MiniSeg, form: Form, dtype: torch.dtype) -> None:
        super().__init__()
        self.main, self.entries, self.long = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for block in network.level1:
            assert isinstance(block, ConvBlock)  # noqa: S101
            conv = normalised(convolution_from(block.conv), block.bn)
            act = prelu(block.act.weight.repeat(PAIR), form.activation, dtype)
            self.main.append(PackedConvolution(conv, PAIR, act, dtype))
        for side in network.level1_long:
            assert isinstance(side, DownsamplerBlock)  # noqa: S101
            self.entries.append(PackedConvolution(long_entry(side), PAIR, nn.Identity(), dtype))
            self.long.append(LongTail(side, form, dtype))

    def forward(self, long: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """(long, out) -> (long, out), each (N, PAIR c, H, W / PAIR)."""
        add = out + long
        for index, block in enumerate(self.main):
            main = block(add)
            if index < len(self.long):
                plain = unpack(self.entries[index](add), PAIR)
                long = pack(self.long[index](plain), PAIR) + long
                out = main + out
                add = out + long
            else:
                add = main + add
        return long, (add - long if len(self.main) > len(self.long) else out)
