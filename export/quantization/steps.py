"""The step and the zero point of a tensor's integers, from what was observed of it.

Both are rounded to a coarse grid. A step that follows the slices' ranges exactly is another one for each choice of
calibration slices. All values are then rounded in another way, and the edge of a lesion moves by chance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.export.quantization.observation import Ranges
from miniseg_edge.export.quantization.rounding import LEAST_STEP
from miniseg_edge.export.quantization.scheme import Scheme

_GREY_STEP = 1 + 2**-16
"""OpenVINO drops a step of exactly 1, and with it the convolution's INT8; 255 of these steps are 255.004."""

_LAST = 255
_ZERO_GRID = 8

_GRID = (0.6, 0.85, 1.2)
"""Times a power of two: each is about the square root of 2 of the one before, and none is 1 (see `_GREY_STEP`)."""

_NEAR = 1.09
"""Up to 9 % of a range are cut, so that steps are no larger than needed."""

_MOVES = {"Pad", "Transpose", "Reshape"}


@dataclass(frozen=True)
class Step:
    """value = (integer - zero) * scale.

    Attributes:
        scale: above 0; float32.
        zero: 0 for int8, 0..255 for uint8.
        symmetric: whether integers are int8 rather than uint8.
    """

    scale: float
    zero: int
    symmetric: bool

    @property
    def constants(self) -> tuple[np.float32, np.int8 | np.uint8]:
        """The two inputs of QuantizeLinear and DequantizeLinear."""
        return np.float32(self.scale), (np.int8 if self.symmetric else np.uint8)(self.zero)


def steps_of(model: onnx.ModelProto, ranges: Mapping[str, Ranges], scheme: Scheme, *, grey: bool) -> dict[str, Step]:
    """The steps of some tensors.

    A tensor reaches from the mean of the slices' smallest values to the mean of their largest, to within the grid.
    What is nothing but a grey slice, moved about, is taken as it is where uint8 can hold it.

    Args:
        model: the graph.
        ranges: by tensor.
        scheme: the requirements on the integers.
        grey: whether the graph takes grey values 0..255.
    """
    found = {name: _step(*seen.mean, scheme) for name, seen in ranges.items()}
    if grey and not scheme.symmetric:
        found |= dict.fromkeys(_slices(model) & found.keys(), Step(_GREY_STEP, 0, symmetric=False))
    return found


def _step(low: float, high: float, scheme: Scheme) -> Step:
    low, high = min(low, 0.0), max(high, 0.0)
    if scheme.symmetric:
        return Step(_on_grid(max(high, -low) / 127), 0, symmetric=True)
    zero = _zero(low, high)
    below, above = -low / zero if zero else 0.0, high / (_LAST - zero) if zero < _LAST else 0.0
    return Step(_on_grid(max(below, above)), zero, symmetric=False)


def _zero(low: float, high: float) -> int:
    """The zero point: a whole number of `_ZERO_GRID`, with room on both sides where there are values."""
    if low == 0.0:
        return 0
    if high == 0.0:
        return _LAST
    nearest = _ZERO_GRID * round(_LAST * -low / (high - low) / _ZERO_GRID)
    return min(max(nearest, _ZERO_GRID), _LAST + 1 - _ZERO_GRID)


def _on_grid(step: float) -> float:
    """The next larger step of the grid, or the next smaller one if that is near. Float32."""
    fraction, exponent = math.frexp(max(step, LEAST_STEP))
    place = next(place for place in _GRID if fraction <= place * _NEAR)
    return float(np.float32(math.ldexp(place, exponent)))


def _slices(model: onnx.ModelProto) -> set[str]:
    """Tensors that contain the slice's own values."""
    found = {model.graph.input[0].name}
    for node in model.graph.node:  # in the order of execution
        if node.op_type in _MOVES and node.input[0] in found:
            found.add(node.output[0])
    return found
