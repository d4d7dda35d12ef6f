"""A 1x1 convolution and the one after it, as one.

    V (M x + c) = (V M) x + V c
Precondition: nothing between the two, and V of one tap, or c = 0: the padding of V is zeros, which M maps to zeros
but not to c.
"""

from miniseg_edge.export.graph.rewrites.convolution import Convolution, matrix_of
from miniseg_edge.export.graph.rewrites.grouped import dense
from miniseg_edge.export.graph.rewrites.sums import in_order


def composed(first: Convolution, second: Convolution) -> Convolution:
    """`second` after the dense 1x1 convolution `first`, as one dense convolution."""
    if second.kernel > 1 and first.bias.any():
        raise ValueError("a bias does not pass zero padding")
    second = dense(second)
    matrix, between = matrix_of(first), range(first.outputs)
    return second.with_(
        weight=in_order(second.weight[:, m : m + 1] * matrix[m, :, None, None] for m in between),
        bias=in_order([second.bias, *(second.weight[:, m, 0, 0] * first.bias[m] for m in between)]),
    )
