"""Places QuantizeLinear and DequantizeLinear around some convolutions of a graph; everything else is unchanged.

A tensor is quantized once for all the convolutions that read it. Weights are stored as integers.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from miniseg_edge.export.quantization.constants import constants_of, drop_unused, set_constant
from miniseg_edge.export.quantization.rounding import RoundedWeights
from miniseg_edge.export.quantization.steps import Step

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


def with_quantizers(
    model: onnx.ModelProto, weights: Mapping[str, RoundedWeights], steps: Mapping[str, Step]
) -> onnx.ModelProto:
    """The graph with some convolutions quantized.

    Args:
        model: in FP32.
        weights: by the name of each convolution to quantize.
        steps: by tensor, of all that these convolutions read.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    constants, nodes = constants_of(model), []
    quantized: dict[str, str] = {}
    for node in found.graph.node:
        if node.name in weights:
            source = node.input[0]
            if source not in quantized:
                made = _quantizers(found, source, steps[source])
                nodes += made
                quantized[source] = made[-1].output[0]
            node.input[0] = quantized[source]
            nodes.append(_integers(found, node, weights[node.name], constants[node.input[1]].shape))
            bias = constants[node.input[2]] if len(node.input) > 2 else np.float32(0)
            set_constant(found, node, 2, bias + weights[node.name].bias)
        nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del found.graph.node[:]
    found.graph.node.extend(kept)
    drop_unused(found)
    return found


def _quantizers(model: onnx.ModelProto, tensor: str, step: Step) -> list[onnx.NodeProto]:
    integers, values = f"{tensor}_integers", f"{tensor}_quantized"
    made = [
        helper.make_node(_QUANTIZE, [tensor], [integers], name=f"{tensor}/{_QUANTIZE}"),
        helper.make_node(_DEQUANTIZE, [integers], [values], name=f"{tensor}/{_DEQUANTIZE}"),
    ]
    for node in made:
        for index, value in enumerate(step.constants, 1):
            set_constant(model, node, index, value)
    return made


def _integers(
    model: onnx.ModelProto, node: onnx.NodeProto, weights: RoundedWeights, shape: tuple[int, ...]
) -> onnx.NodeProto:
    """Replaces a convolution's weights."""
    found = helper.make_node(_DEQUANTIZE, [], [f"{node.name}_weights"], name=f"{node.name}/{_DEQUANTIZE}", axis=0)
    zeros = np.zeros(len(weights.scales), np.int8)
    for index, values in enumerate((weights.integers.reshape(shape), weights.scales, zeros)):
        set_constant(model, found, index, values)
    node.input[1] = found.output[0]
    return found
