"""A deployment graph in FP32 -> the same with some groups of convolutions in INT8, as ONNX with explicit quantizers.

ONNX Runtime runs it as it is, and OpenVINO reads it: one quantized network for both. TensorRT reads it too, with the
integers that it wants.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.onnx_from_graph import OnnxModel, check_onnx
from miniseg_edge.export.quantization.activations import moments
from miniseg_edge.export.quantization.constants import constants_of, drop_unused, set_constant
from miniseg_edge.export.quantization.equalisation import equalised
from miniseg_edge.export.quantization.groups import groups_of
from miniseg_edge.export.quantization.nncf_placement import quantizers_placed
from miniseg_edge.export.quantization.rounding import rounded
from miniseg_edge.export.quantization.scheme import Scheme
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.tensors import TensorSpec


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A graph with everything quantized that can be; the search takes quantizers out of it, group by group.

    Attributes:
        exact: the graph in FP32, equalised.
        whole: the same with every group in INT8.
        groups: names of convolutions by group.
    """

    exact: onnx.ModelProto
    whole: onnx.ModelProto
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, model: OnnxModel, inputs: Sequence[FloatArray], scheme: Scheme, *, grey: bool) -> "Quantizer":
        """Quantizes a graph of fixed shapes, given in FP32.

        Args:
            model: the graph.
            inputs: the calibration slices as it takes them.
            scheme: what the integers have to look like.
            grey: whether those are grey values 0..255.

        Raises:
            UsageError: no slice.
            MissingDependencyError, ExportError: see `quantizers_placed`.
        """
        if not inputs:
            raise UsageError("there is nothing to calibrate on", "slices", "none")
        exact = equalised(onnx.load_from_string(model.data), inputs)
        groups = groups_of(exact, scheme.left_alone)
        names = {name for group in groups.values() for name in group}
        whole = quantizers_placed(exact, names, inputs, grey=grey, symmetric=scheme.symmetric)
        _round(whole, exact, names, inputs, scheme.largest)
        return cls(exact, whole, groups)

    def convolutions(self, groups: Collection[str]) -> tuple[str, ...]:
        """The names of the convolutions of some of `self.groups`, in the graph's order of groups."""
        return tuple(name for group, names in self.groups.items() if group in groups for name in names)

    def quantized(self, groups: Collection[str], input_: TensorSpec, output: TensorSpec) -> OnnxModel:
        """The graph with these groups in INT8 and everything else in FP32.

        Args:
            groups: of `self.groups`, at least one.
            input_, output: what the graph must still have.

        Raises:
            UsageError: an unknown group, or none.
            ExportError: the result fails ONNX's check.
        """
        if not groups or not set(groups) <= self.groups.keys():
            got = ", ".join(sorted(set(groups) - self.groups.keys())) or "no group"
            raise UsageError("these groups cannot be quantized", f"some of {', '.join(self.groups)}", got)
        alone = {name for group, names in self.groups.items() if group not in groups for name in names}
        found = onnx.ModelProto()
        found.CopyFrom(self.whole)
        _unquantize(found, self.exact, alone)
        check_onnx(found, input_, output)
        return OnnxModel(found.SerializeToString(), len(found.graph.node))


def _round(
    model: onnx.ModelProto,
    exact: onnx.ModelProto,
    names: Collection[str],
    inputs: Sequence[FloatArray],
    largest: int,
) -> None:
    """Puts our integers and biases in the place of NNCF's."""
    before = {node.name: node for node in exact.graph.node}
    seen = moments(exact, [before[name] for name in sorted(names)], inputs)
    weights_of, constants = constants_of(exact), constants_of(model)
    by_output = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.name not in names:
            continue
        source, dequantizer = by_output.get(node.input[0]), by_output.get(node.input[1])
        if source is None or dequantizer is None or source.op_type != "DequantizeLinear":
            raise ExportError("NNCF left a convolution as it was", f"quantizers around {node.name}", "none")
        weights = weights_of[before[node.name].input[1]]
        rows = weights.reshape(len(weights), -1).astype(np.float64)
        found = rounded(rows, seen[node.name], float(constants[source.input[1]]), largest)
        set_constant(model, dequantizer, 0, found.integers.reshape(weights.shape))
        set_constant(model, dequantizer, 1, found.scales)
        set_constant(model, node, 2, found.bias if len(node.input) == 2 else constants[node.input[2]] + found.bias)
    drop_unused(model)


def _unquantize(model: onnx.ModelProto, exact: onnx.ModelProto, names: Collection[str]) -> None:
    """Gives some convolutions back what they had before: inputs, weights and bias."""
    before = {node.name: node for node in exact.graph.node}
    constants = constants_of(exact)
    for node in model.graph.node:
        if node.name in names:
            original = before[node.name]
            del node.input[:]
            node.input.extend(original.input)
            for index in range(1, len(original.input)):
                set_constant(model, node, index, constants[original.input[index]])
    used = {name for node in model.graph.node for name in node.input} | {out.name for out in model.graph.output}
    while unread := [node for node in model.graph.node if not used & set(node.output)]:
        for node in unread:
            model.graph.node.remove(node)
        used = {name for node in model.graph.node for name in node.input} | {out.name for out in model.graph.output}
    drop_unused(model)
