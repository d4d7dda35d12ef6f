"""The step and the zero point of a tensor's integers, from its observations."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.export.quantization.observation import Ranges
from miniseg_edge.export.quantization.rounding import LEAST_STEP
from miniseg_edge.export.quantization.scheme import Scheme

_GREY_STEP = 1 + 2**-16
"""OpenVINO drops a step of exactly 1, and with it the convolution's INT8; 255 of these steps are 255.004."""

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

    A tensor's range is from the mean of the slices' smallest values to the mean of their largest. Tensors that only
    move a grey slice's values are not rescaled if uint8 can hold them.

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
        return Step(_float32(max(high, -low) / 127), 0, symmetric=True)
    zero = round(255 * -low / (high - low)) if high > low else 0
    # The end that is further from 0 is an integer number of steps away; the nearer one to within a step.
    return Step(_float32(max(high, -low) / max(zero, 255 - zero)), zero, symmetric=False)


def _float32(step: float) -> float:
    return float(np.float32(max(step, LEAST_STEP)))


def _slices(model: onnx.ModelProto) -> set[str]:
    """Tensors that contain the slice's own values."""
    found = {model.graph.input[0].name}
    for node in model.graph.node:  # in the order of execution
        if node.op_type in _MOVES and node.input[0] in found:
            found.add(node.output[0])
    return found
