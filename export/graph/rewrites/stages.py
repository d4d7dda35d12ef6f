"""The stages of the encoder: the blocks between the first two of a stage and the exchange."""

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.blocks import DenseBlock, LongTail, Pyramid, down_entry, long_entry
from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.pointwise import Pointwise
from miniseg_edge.training.networks.miniseg import AHSPBlock, ConvBlock, DownsamplerBlock


class Stage(nn.Module):
    """The blocks of a stage behind its first two; both paths read the sum of the two, and each adds to itself.

    Once the long path has ended, only the sum is carried: sum' = main(sum) + sum, and out = sum - long at the end.
    """

    def __init__(
        self, main: nn.Sequential, long: nn.Sequential, columns: int | None, form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.entries, self.main, self.long = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for index, block in enumerate(main):
            entries: list[Convolution] = []
            if isinstance(block, AHSPBlock):
                entries.append(down_entry(block, form))
                self.main.append(Pyramid(block, columns, form, dtype))
            else:
                assert isinstance(block, ConvBlock)  # noqa: S101
                self.main.append(DenseBlock(block, form, dtype))
            if index < len(long):
                side = long[index]
                assert isinstance(side, DownsamplerBlock)  # noqa: S101
                entries.append(long_entry(side))
                self.long.append(LongTail(side, form, dtype))
            self.entries.append(Pointwise(entries, dtype))

    def forward(self, long: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """(long, out), each (N, c, H, W) -> (long, out)."""
        add = out + long
        for index, block in enumerate(self.main):
            entered = self.entries[index](add)
            main = block(entered[0] if isinstance(block, Pyramid) else add)
            if index < len(self.long):
                long = self.long[index](entered[-1]) + long
                out = main + out
                add = out + long
            else:
                add = main + add
        return long, (add - long if len(self.main) > len(self.long) else out)
