"""ONNX in FP32 -> ONNX in FP16, with FP32 at its ends.

A library's converter is not used: ONNX Runtime's rounds the input before the normalisation that must stay in FP32,
leaves nodes unsorted, and leaves types that are no longer true.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, check_onnx
from miniseg_edge.export.tensorrt.kept import kept_in_fp32
from miniseg_edge.tensors import TensorSpec

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
_SUFFIX: dict[int, str] = {_FLOAT: "_as_float", _HALF: "_as_half"}


def half_from_onnx(model: OnnxModel, input_: TensorSpec, output: TensorSpec) -> OnnxModel:
    """Rounds weights and values to FP16, except `KEPT_IN_FP32`; inputs and outputs are unchanged.

    Raises:
        ExportError: a weight is beyond FP16, or the result fails ONNX's full check.
    """
    found = onnx.load_from_string(model.data)
    _Conversion(found).run()
    check_onnx(found, input_, output)
    return OnnxModel(found.SerializeToString(), len(found.graph.node))


class _Conversion:
    """One pass over the sorted nodes. A value is cast where a node needs the other type, once for all of them."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        known = onnx.shape_inference.infer_shapes(model).graph
        values = (*known.input, *known.value_info, *known.output)
        self._types = {value.name: value.type.tensor_type.elem_type for value in values}
        self._weights = {weights.name: weights for weights in self._graph.initializer}
        self._types |= {name: weights.data_type for name, weights in self._weights.items()}
        self._given = {value.name for value in model.graph.output}
        self._made: dict[tuple[str, int], str] = {}

    def run(self) -> None:
        nodes: list[onnx.NodeProto] = []
        for node in list(self._graph.node):
            wanted = _FLOAT if kept_in_fp32(node.name) else _HALF
            schema = onnx.defs.get_schema(node.op_type, self._opset)
            for index, name in enumerate(node.input):
                if self._types.get(name) in (_FLOAT, _HALF) and _is_free(schema.inputs, index):
                    nodes += self._in_type(node, index, wanted)
            nodes.append(node)
            for index, name in enumerate(node.output):
                if wanted == _HALF and self._types.get(name) == _FLOAT and _is_free(schema.outputs, index):
                    nodes += self._given_in_half(node, index)
        used = {name for node in nodes for name in node.input}
        kept = [weights for weights in self._graph.initializer if weights.name in used]
        del self._graph.node[:], self._graph.value_info[:], self._graph.initializer[:]
        self._graph.node.extend(nodes)
        self._graph.initializer.extend(kept)

    def _given_in_half(self, node: onnx.NodeProto, index: int) -> Iterator[onnx.NodeProto]:
        """Records that the node's output is now FP16; a graph output keeps its name and type by a cast."""
        name = node.output[index]
        if name not in self._given:
            self._types[name] = _HALF
            return
        node.output[index] = self._made[name, _HALF] = f"{name}{_SUFFIX[_HALF]}"
        yield _cast(node.output[index], name, _FLOAT)

    def _in_type(self, node: onnx.NodeProto, index: int, wanted: int) -> Iterator[onnx.NodeProto]:
        """Makes the node read its input as `wanted`; returns the cast that this needs, unless it already exists."""
        name = node.input[index]
        if self._types[name] == wanted:
            return
        made = self._made.get((name, wanted))
        if made is None:
            made = self._made[name, wanted] = f"{name}{_SUFFIX[wanted]}"
            if name in self._weights:
                self._graph.initializer.append(_rounded(self._weights[name], made))
            else:
                yield _cast(name, made, wanted)
        node.input[index] = made


def _is_free(parameters: "Sequence[onnx.defs.OpSchema.FormalParameter]", index: int) -> bool:
    """Whether an operator supports FP16 there as well as FP32; the last parameter may be variadic."""
    types = parameters[min(index, len(parameters) - 1)].types
    return {"tensor(float)", "tensor(float16)"} <= set(types)


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=kind)


def _rounded(weights: TensorProto, name: str) -> TensorProto:
    with np.errstate(over="ignore"):
        found = numpy_helper.to_array(weights).astype(np.float16)
    if not np.isfinite(found).all():
        raise ExportError(
            f"{weights.name} is beyond FP16", expected=f"at most {np.finfo(np.float16).max}", got="a larger weight"
        )
    return numpy_helper.from_array(found, name)
