"""A deployment graph in FP32 -> the same with some groups of convolutions in INT8, as ONNX with explicit quantizers.

ONNX Runtime runs it directly, and OpenVINO reads it: one quantized network for both. TensorRT reads it too, with
integers in its own scheme. The integers only depend on the graph and the calibration slices, not on the machine.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.errors import UsageError
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, check_onnx
from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.equalisation import branches_of, equalised
from miniseg_edge.export.quantization.groups import groups_of
from miniseg_edge.export.quantization.observation import ObservedSlices, observed
from miniseg_edge.export.quantization.placement import with_quantizers
from miniseg_edge.export.quantization.rounding import RoundedWeights, rounded
from miniseg_edge.export.quantization.scheme import Scheme
from miniseg_edge.export.quantization.steps import Step, steps_of
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.tensors import TensorSpec


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A graph, and the integers of everything that can be quantized.

    Attributes:
        exact: the graph in FP32, equalised.
        groups: names of convolutions by group.
        weights: by convolution.
        steps: by tensor.
    """

    exact: onnx.ModelProto
    groups: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, RoundedWeights]
    steps: Mapping[str, Step]

    @classmethod
    def of(cls, model: OnnxModel, inputs: Sequence[FloatArray], scheme: Scheme, *, grey: bool) -> "Quantizer":
        """Fitted to all slices; see `Fitting.of`."""
        return Fitting.of(model, inputs, scheme, grey=grey).quantizer()

    def convolutions(self, groups: Collection[str]) -> tuple[str, ...]:
        """The names of the convolutions of some of `self.groups`, in the graph's order of groups."""
        return tuple(name for group, names in self.groups.items() if group in groups for name in names)

    def model(self, groups: Collection[str]) -> onnx.ModelProto:
        """The graph with these groups in INT8 and the rest in FP32.

        Raises: UsageError for an unknown group, or none.
        """
        if not groups or not set(groups) <= self.groups.keys():
            got = ", ".join(sorted(set(groups) - self.groups.keys())) or "no group"
            raise UsageError("these groups cannot be quantized", expected=f"some of {', '.join(self.groups)}", got=got)
        weights = {name: self.weights[name] for name in self.convolutions(groups)}
        return with_quantizers(self.exact, weights, self.steps)

    def quantized(self, groups: Collection[str], input_: TensorSpec, output: TensorSpec) -> OnnxModel:
        """The same, checked.

        Args:
            groups: of `self.groups`, at least one.
            input_, output: which the graph must still have.

        Raises:
            UsageError: an unknown group, or none.
            ExportError: the result fails ONNX's check.
        """
        found = self.model(groups)
        check_onnx(found, input_, output)
        return OnnxModel(found.SerializeToString(), len(found.graph.node))


@dataclass(frozen=True, eq=False)
class Fitting:
    """A graph that was observed slice by slice, to fit integers to all of the slices or to some.

    Attributes:
        model: the graph in FP32, of fixed shapes.
        groups: names of convolutions by group.
        observed: on the calibration slices, in their order.
        scheme: what the integers have to look like.
        grey: whether the graph takes grey values 0..255.
    """

    model: onnx.ModelProto
    groups: Mapping[str, tuple[str, ...]]
    observed: ObservedSlices
    scheme: Scheme
    grey: bool

    @classmethod
    def of(cls, model: OnnxModel, inputs: Sequence[FloatArray], scheme: Scheme, *, grey: bool) -> "Fitting":
        """Observes a graph of fixed shapes, given in FP32.

        Args:
            model: the graph.
            inputs: the calibration slices as it takes them.
            scheme: what the integers have to look like.
            grey: whether those are grey values 0..255.

        Raises:
            UsageError: no slice.
            ExportError: an operator that is unknown, or values that are not finite.
        """
        if not inputs:
            raise UsageError("there is nothing to calibrate on", expected="slices", got="none")
        plain = onnx.load_from_string(model.data)
        groups = groups_of(plain, scheme.left_alone)
        names = {name for group in groups.values() for name in group}
        return cls(plain, groups, observed(plain, branches_of(plain), names, inputs), scheme, grey)

    def quantizer(self, without: Collection[int] = ()) -> Quantizer:
        """Equalises the graph and rounds its weights, without the slices of these indices."""
        exact, seen = equalised(self.model, self.observed.together(without))
        steps = steps_of(exact, seen.ranges, self.scheme, grey=self.grey)
        constants, weights = constants_of(exact), {}
        for node in exact.graph.node:
            if node.name in seen.moments:
                values = constants[node.input[1]]
                rows = values.reshape(len(values), -1).astype(np.float64)
                step, largest = steps[node.input[0]].scale, self.scheme.largest
                weights[node.name] = rounded(rows, seen.moments[node.name], step, largest)
        return Quantizer(exact, self.groups, weights, steps)
