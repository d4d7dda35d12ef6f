"""Runs a deployment graph with the same bits on every processor, for calibration and its verdicts.

A runtime's FP32 kernels differ between processors in the last bits. Joint rounding of weights turns such bits into
other integers, and so into another artefact; the results here only depend on the graph and the slice.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx

from miniseg_edge.errors import ExportError
from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.exact.operators import OPERATORS, Array, Attributes
from miniseg_edge.slices.preprocessing import FloatArray

_NOTHING: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class _Step:
    """A node, and the values that are not needed after it."""

    node: onnx.NodeProto
    attributes: Attributes
    done_with: tuple[str, ...]


class Evaluator:
    """A graph with one input. Calls are independent, from any thread.

    Args:
        model: in FP32, or with QuantizeLinear and DequantizeLinear, of fixed shapes.
        watched: tensors that each call reports.
        beside: another graph. What both compute alike is passed to each call instead of computed again, see `shared`.

    Raises:
        ExportError: an unsupported operator, whose bits might not be the same everywhere.
    """

    def __init__(self, model: onnx.ModelProto, watched: Collection[str], beside: onnx.ModelProto | None = None) -> None:
        unknown = sorted({node.op_type for node in model.graph.node} - OPERATORS.keys())
        if unknown:
            raise ExportError(
                "INT8 calibration of this graph would not be reproducible",
                expected=f"operators among {', '.join(sorted(OPERATORS))}", got=", ".join(unknown),
            )  # fmt: skip
        self._constants = constants_of(model)
        self._input, self._watched = model.graph.input[0].name, frozenset(watched)
        alike = set() if beside is None else _alike(model, beside)
        nodes = _needed([node for node in model.graph.node if not alike >= set(node.output)], self._watched)
        self._steps = _planned(nodes)
        made = {self._input, *self._constants, *(name for node in nodes for name in node.output)}
        read = {name for node in nodes for name in node.input if name}
        self.shared = frozenset((read | self._watched) - made)
        """Tensors of the other graph to pass to a call."""

    def __call__(
        self, value: FloatArray, see: Callable[[str, Array], None], shared: Mapping[str, Array] = _NOTHING
    ) -> None:
        """Runs the graph on a slice.

        Args:
            value: (1, C, H, W) float32.
            see: called with the name and the values of each watched tensor.
            shared: the values of `self.shared` on this slice.

        Raises:
            ExportError: a value is not finite, or an operator is used in an unsupported way.
        """
        values: dict[str, Array] = {self._input: value, **shared}
        for name in sorted(self._watched & values.keys()):
            see(name, values[name])
        for step in self._steps:
            read = [values.get(name, self._constants.get(name)) for name in step.node.input]
            with np.errstate(over="ignore", invalid="ignore"):  # the next convolution rejects what is not finite
                made = OPERATORS[step.node.op_type](step.attributes, *read)
            outputs = made if isinstance(made, tuple) else (made,)
            for name, output in zip(step.node.output, outputs, strict=True):
                values[name] = output
                if name in self._watched:
                    see(name, output)
            for name in step.done_with:
                values.pop(name, None)


def attributes_of(node: onnx.NodeProto) -> Attributes:
    """A node's attributes by name, as Python types."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _planned(nodes: Collection[onnx.NodeProto]) -> tuple[_Step, ...]:
    left = Counter(name for node in nodes for name in set(node.input))
    steps = []
    for node in nodes:
        left.subtract(set(node.input))
        done = tuple(name for name in (*node.input, *node.output) if left[name] == 0)
        steps.append(_Step(node, attributes_of(node), done))
    return tuple(steps)


def _needed(nodes: Collection[onnx.NodeProto], tensors: Collection[str]) -> list[onnx.NodeProto]:
    """The nodes, in execution order, on which some tensors depend."""
    wanted, needed = set(tensors), []
    for node in reversed(list(nodes)):
        if wanted & set(node.output):
            wanted |= set(node.input)
            needed.append(node)
    return needed[::-1]


def _alike(model: onnx.ModelProto, other: onnx.ModelProto) -> set[str]:
    """Tensors that two graphs compute by the same operators from the same input, under the same names."""
    ours, theirs = constants_of(model), constants_of(other)
    made = {node.output[0]: node for node in other.graph.node}
    alike = {model.graph.input[0].name} & {other.graph.input[0].name}

    def same(a: str, b: str) -> bool:
        if a in ours and b in theirs:
            return ours[a].dtype == theirs[b].dtype and ours[a].tobytes() == theirs[b].tobytes()
        return a == b and (a in alike or not a)

    for node in model.graph.node:
        twin = made.get(node.output[0])
        if twin is None or (twin.op_type, twin.output) != (node.op_type, node.output):
            continue
        inputs = len(twin.input) == len(node.input) and all(map(same, node.input, twin.input))
        if inputs and attributes_of(twin) == attributes_of(node):
            alike.update(node.output)
    return alike - {model.graph.input[0].name}
