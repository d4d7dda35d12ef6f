"""A 1x1 convolution and the one after it, as one.

    V (M x + c) = (V M) x + V c
Precondition: nothing between the two, and V of one tap, or c = 0: the padding of V is zeros, which M maps to zeros
but not to c.
"""

import torch

from miniseg_edge.export.rewrites.convolution import Convolution, matrix_of
from miniseg_edge.export.rewrites.grouped import dense


def composed(first: Convolution, second: Convolution) -> Convolution:
    """`second` after the dense 1x1 convolution `first`, as one dense convolution."""
    if second.kernel > 1 and first.bias.any():
        raise ValueError("a bias does not pass zero padding")
    second = dense(second)
    return second.with_(
        weight=torch.einsum("omhw,mi->oihw", second.weight, matrix_of(first)),
        bias=second.bias + torch.einsum("omhw,m->o", second.weight, first.bias),
    )
