"""The mask inside the graph: argmax over the classes, from logit maps over background.

    argmax_c f_c = c  where d_c = f_c - f_0 is the largest of all and above 0;  0 where none is above 0
The background's own map is 0, and a tie goes to the lower class, as argmax has it. A comparison with NaN is false,
which would read as "no lesion": pixels whose maps are not finite get a value that is not a class.
"""

import torch
from torch import Tensor, nn

from miniseg_edge.tensors import NOT_FINITE


class Mask(nn.Module):
    """The class of each pixel."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C - 1, H, W) logit maps over background -> (N, 1, H, W) uint8."""
        largest = maps.amax(1, keepdim=True) if maps.shape[1] > 1 else maps
        found = (largest > 0).to(torch.uint8)
        if maps.shape[1] > 1:
            found = found * (maps.argmax(1, keepdim=True) + 1).to(torch.uint8)
        finite = maps.abs() <= torch.finfo(maps.dtype).max
        if maps.shape[1] > 1:
            finite = finite.to(torch.uint8).amin(1, keepdim=True) > 0
        return torch.where(finite, found, torch.full_like(found, NOT_FINITE))
