"""Where the graph is quantized and with which ranges: NNCF's part."""

from collections.abc import Collection, Container, Iterator, Sequence
from typing import Any

import numpy as np
import onnx

from miniseg_edge.dependencies import require
from miniseg_edge.errors import ExportError
from miniseg_edge.export.quantization.constants import constants_of, drop_unused, set_constant
from miniseg_edge.export.quantization.rounding import LEAST_STEP
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.silence import unattended

_SHIFT = 128
_LARGEST = 127
_GREY_STEP = 1 + 2**-16
"""OpenVINO drops a step of exactly 1, and with it the convolution's INT8; 255 of these steps are 255.004."""

_MOVES = {"Pad", "Transpose", "Reshape"}


def quantizers_placed(
    model: onnx.ModelProto, convolutions: Collection[str], inputs: Sequence[FloatArray], *, grey: bool, symmetric: bool
) -> onnx.ModelProto:
    """The graph with QuantizeLinear and DequantizeLinear around some convolutions; their weights are int8.

    Ranges of activations are means of the slices' smallest and largest values, one for a tensor, but a grey slice's
    own values are taken as they are if uint8 can hold them; weights are rounded to the nearest, one step for each
    output channel.

    Args:
        model: in FP32.
        convolutions: names of those to quantize; everything else keeps its precision.
        inputs: the calibration slices as the graph takes them, in an order that is always the same.
        grey: whether the graph takes grey values 0..255, which uint8 holds without rounding.
        symmetric: activations are int8 around a zero point of 0, else uint8 with a zero point of their own.

    Raises:
        MissingDependencyError: nncf is not installed.
        ExportError: NNCF failed.
    """
    fed = model.graph.input[0].name
    others = [node.name for node in model.graph.node if node.name not in convolutions]
    with unattended():
        nncf: Any = require("nncf", "quantize")
        parameters = nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.quantization.advanced_parameters.OverflowFix.DISABLE,  # `rounding` sees to it
            disable_bias_correction=True,  # and to this
        )
        try:
            found: onnx.ModelProto = nncf.quantize(
                model,
                nncf.Dataset([{fed: value} for value in inputs]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(inputs),
                advanced_parameters=parameters,
                ignored_scope=nncf.IgnoredScope(names=others, validate=False),
            )
        except Exception as error:  # NNCF raises kinds of its own
            raise ExportError("NNCF cannot quantize the graph", "a graph with quantizers", str(error)[:300]) from error
    if symmetric:
        _to_symmetric(found)
    else:
        _to_unsigned(found)
        if grey:
            _grey_as_it_is(found)
    drop_unused(found)
    return found


def _to_unsigned(model: onnx.ModelProto) -> None:
    """int8 activations -> uint8 with the zero point moved along: the same numbers.

    OpenVINO 2026.4 reads signed ones with a zero point wrongly (mean Dice 0.77 where unsigned ones give 0.99).
    """
    constants = constants_of(model)
    for node in _around_activations(model, constants):
        if constants[node.input[2]].dtype == np.int8:
            zero = constants[node.input[2]].astype(np.int16) + _SHIFT
            set_constant(model, node, 2, zero.astype(np.uint8))


def _to_symmetric(model: onnx.ModelProto) -> None:
    """int8 around 0, with a step that reaches the end of the range that is further away.

    NNCF cannot be told so: it gives values that are never negative as uint8.
    """
    constants = constants_of(model)
    for node in _around_activations(model, constants):
        step, zero = float(constants[node.input[1]]), int(constants[node.input[2]])
        ends = np.iinfo(constants[node.input[2]].dtype)
        furthest = max(zero - ends.min, ends.max - zero)
        set_constant(model, node, 1, np.float32(max(step * furthest / _LARGEST, LEAST_STEP)))
        set_constant(model, node, 2, np.int8(0))


def _around_activations(model: onnx.ModelProto, constants: Container[str]) -> Iterator[onnx.NodeProto]:
    """The quantizers and dequantizers of values, not of weights."""
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and node.input[0] not in constants):
            yield node


def _grey_as_it_is(model: onnx.ModelProto) -> None:
    """A step of 1, as good as, and zero point 0 wherever a quantizer sees nothing but the slice."""
    slices = {model.graph.input[0].name}
    for node in model.graph.node:  # in the order of execution
        if node.input[0] not in slices:
            continue
        if node.op_type in _MOVES:
            slices.add(node.output[0])
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            slices.add(node.output[0])
            set_constant(model, node, 1, np.float32(_GREY_STEP))
            set_constant(model, node, 2, np.uint8(0))
