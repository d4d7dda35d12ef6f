"""Operators that move elements and compute nothing, with the numbers of small inputs: the same in ONNX and in an IR.

All raise NotAdmittedError if an operator cannot run on these shapes.
"""

from collections.abc import Sequence

import numpy as np

from miniseg_edge.admission import shapes
from miniseg_edge.admission.call import Call, Made, made, moved
from miniseg_edge.admission.graph import NotAdmittedError, Shape


def in_shape(call: Call, shape: Shape) -> Made:
    """The first input's elements, in the same order, reshaped."""
    return moved(call, shape, lambda array: array.reshape(shape))


def squeezed(call: Call) -> Made:
    """Without sides of 1: all, or those that the second input names."""
    return in_shape(call, shapes.without(call.shape(), call.numbers(1) if call.has(1) else None))


def unsqueezed(call: Call) -> Made:
    """With sides of 1 where the second input says."""
    return in_shape(call, shapes.with_ones(call.shape(), call.numbers(1)))


def transposed(call: Call, order: Sequence[int]) -> Made:
    """With the axes in this order."""
    return moved(call, shapes.permuted(call.shape(), order), lambda array: array.transpose(order))


def cut(call: Call, parts: Sequence[Sequence[int]]) -> Made:
    """A slice; `parts` as `shapes.cuts` takes them."""
    by = shapes.cuts(call.shape(), parts)
    return moved(call, shapes.cut(by), lambda array: array[np.ix_(*by)])


def gathered(call: Call, axis: int) -> Made:
    """What the second input's indices name along an axis."""
    axis = shapes.axis_of(axis, len(call.shape()))
    shape = shapes.gathered(call.shape(), call.shape(1), axis)
    if call.value(0).numbers is None or call.value(1).numbers is None:
        return made(shape)
    side, indices = call.shape()[axis], np.array(call.numbers(1), np.int64).reshape(call.shape(1))
    if not ((indices >= -side) & (indices < side)).all():
        raise NotAdmittedError(f"an index beyond a side of {side}")
    return moved(call, shape, lambda array: np.take(array, indices, axis))
