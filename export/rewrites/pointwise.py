"""1x1 convolutions with several inputs or several outputs, in a form."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from miniseg_edge.export.forms import Form, Join
from miniseg_edge.export.rewrites.convolution import Convolution
from miniseg_edge.export.rewrites.parallel import inputs_apart, side_by_side


class Joined(nn.Module):
    """A dense convolution of the concatenation of several tensors, or the same as a sum of convolutions."""

    def __init__(self, convolution: Convolution, widths: Sequence[int], join: Join, dtype: torch.dtype) -> None:
        super().__init__()
        parts = inputs_apart(convolution, widths) if join == "summed" else [convolution]
        self.convolutions = nn.ModuleList(part.module(dtype) for part in parts)

    def forward(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors (N, i_k, H, W) -> (N, o, H, W)."""
        if len(self.convolutions) < len(tensors):
            tensors = [torch.cat(list(tensors), 1)]
        terms: list[Tensor] = [convolution(x) for convolution, x in zip(self.convolutions, tensors, strict=True)]
        return reduce(torch.add, terms)


class Pointwise(nn.Module):
    """Several dense convolutions of the same tensors: apart, or as one whose output is split."""

    def __init__(
        self, convolutions: Sequence[Convolution], widths: Sequence[int], form: Form, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.outputs = [convolution.outputs for convolution in convolutions]
        self.merged = form.entries == "merged" and len(convolutions) > 1
        self.concatenated = form.join == "concatenated" and len(widths) > 1
        widths = [sum(widths)] if self.concatenated else widths
        parts = [side_by_side(*convolutions)] if self.merged else convolutions
        self.convolutions = nn.ModuleList(Joined(part, widths, form.join, dtype) for part in parts)

    def forward(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Tensors (N, i_k, H, W) -> one (N, o_k, H, W) for each convolution."""
        if self.concatenated:
            tensors = [torch.cat(list(tensors), 1)]
        found = [convolution(tensors) for convolution in self.convolutions]
        return list(found[0].split(self.outputs, 1)) if self.merged else found
