"""Parallel convolutions, as one.

    summed:        A x + B x            = (A + B) x
    side by side:  concat(A x, B x)     = [A; B] x
    stacked:       concat(A x, B y)     = diag(A, B) concat(x, y), for depthwise A and B
Precondition: one kernel grid, stride and grouping (see tap_grid for the first), whole inputs of one size.
"""

import torch

from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.sums import in_order


def summed(*convolutions: Convolution) -> Convolution:
    """Outputs added; all read one tensor."""
    first = _alike(convolutions)
    return first.with_(
        weight=in_order(c.weight for c in convolutions),
        bias=in_order(c.bias for c in convolutions),
    )


def side_by_side(*convolutions: Convolution) -> Convolution:
    """Outputs concatenated; all are dense and read one tensor."""
    first = _alike(convolutions)
    if first.groups != 1:
        raise ValueError("only dense convolutions stand side by side")
    return _concatenated(first, convolutions, 1)


def stacked(*convolutions: Convolution) -> Convolution:
    """Outputs and inputs concatenated; all are depthwise."""
    first = _alike(convolutions, grouping=False)
    if not all(c.depthwise for c in convolutions):
        raise ValueError("only depthwise convolutions stack")
    return _concatenated(first, convolutions, sum(c.groups for c in convolutions))


def halves_of_output(convolution: Convolution) -> tuple[Convolution, Convolution]:
    """Chunk(conv(x), 2) as two dense convolutions."""
    if convolution.groups != 1 or convolution.outputs % 2:
        raise ValueError("only dense convolutions with even outputs have halves")
    (top, bottom), (above, below) = convolution.weight.chunk(2), convolution.bias.chunk(2)
    return convolution.with_(weight=top, bias=above), convolution.with_(weight=bottom, bias=below)


def _concatenated(first: Convolution, convolutions: tuple[Convolution, ...], groups: int) -> Convolution:
    return first.with_(
        weight=torch.cat([c.weight for c in convolutions]),
        bias=torch.cat([c.bias for c in convolutions]),
        groups=groups,
    )


def _alike(convolutions: tuple[Convolution, ...], *, grouping: bool = True) -> Convolution:
    if len({(c.kernel, c.stride, c.dilation, c.groups if grouping else 0) for c in convolutions}) != 1:
        raise ValueError("these convolutions differ in kernel, stride, dilation or groups")
    return convolutions[0]
