"""Observes a graph on the calibration slices: ranges and moments, with the same bits on every machine."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.exact.arithmetic import Matrix, sums
from miniseg_edge.export.quantization.exact.evaluator import Evaluator, attributes_of
from miniseg_edge.export.quantization.exact.operators import Array, Attributes, patches
from miniseg_edge.export.quantization.exact.parallel import in_parallel
from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of the patches that a convolution reads, as vectors of n = i k k values, in the order of its weights.

    Attributes:
        mean: (n,) float64.
        covariance: (n, n) float64.
    """

    mean: Matrix
    covariance: Matrix

    def divided(self, scales: Matrix) -> "Moments":
        """The moments after each of the i channels is divided by its scale, (i,)."""
        each = np.repeat(scales, len(self.mean) // len(scales))
        return Moments(self.mean / each, self.covariance / np.multiply.outer(each, each))


@dataclass(frozen=True, eq=False)
class Ranges:
    """The smallest and the largest value of each channel of a tensor, slice by slice.

    Attributes:
        low, high: (slices, channels) float64.
    """

    low: Matrix
    high: Matrix

    def divided(self, scales: Matrix) -> "Ranges":
        """The same tensor's after each channel is divided by its scale, (channels,)."""
        return Ranges(self.low / scales, self.high / scales)

    @property
    def peaks(self) -> Matrix:
        """The largest magnitude of each channel, (channels,)."""
        return np.asarray(np.maximum(self.high, -self.low).max(axis=0))

    @property
    def mean(self) -> tuple[float, float]:
        """The means over the slices of the tensor's smallest and of its largest value."""
        ends = self.low.min(axis=1), self.high.max(axis=1)
        low, high = (math.fsum(end.tolist()) / len(end) for end in ends)
        return low, high


@dataclass(frozen=True, eq=False)
class Observation:
    """What was observed.

    Attributes:
        ranges: by tensor.
        moments: by the name of a dense convolution.
    """

    ranges: Mapping[str, Ranges]
    moments: Mapping[str, Moments]


_Patches = tuple[str, tuple[int, int], str]
"""Key of a kind of patches: a tensor, a kernel, and the convolution's attributes as text."""


class _Slice:
    """The observations on one slice, tensor by tensor."""

    def __init__(self, read: Mapping[str, Mapping[_Patches, Attributes]]) -> None:
        self._read = read
        self.ranges: dict[str, tuple[Matrix, Matrix]] = {}
        self.sums: dict[_Patches, tuple[Matrix, Matrix]] = {}

    def see(self, name: str, values: Array) -> None:
        """Of a map (1, C, H, W) float32."""
        low, high = values.min(axis=(0, 2, 3)), values.max(axis=(0, 2, 3))
        self.ranges[name] = low.astype(np.float64), high.astype(np.float64)
        for key, attributes in self._read.get(name, {}).items():
            rows = patches(values[0], key[1], attributes)
            total, products = sums(rows)
            self.sums[key] = total / rows.shape[1], products / rows.shape[1]


@dataclass(frozen=True, eq=False)
class ObservedSlices:
    """What was observed slice by slice, so that it can be put together again without some of them.

    Attributes:
        slices: one for each input, in its order.
        keys: the patches that each convolution reads, by its name.
    """

    slices: tuple[_Slice, ...]
    keys: Mapping[str, _Patches]

    def together(self, without: Collection[int] = ()) -> Observation:
        """Of all slices but those with these indices; at least one must be left."""
        kept = [slice_ for index, slice_ in enumerate(self.slices) if index not in without]
        ranges = {
            name: Ranges(*(np.stack([slice_.ranges[name][end] for slice_ in kept]) for end in (0, 1)))
            for name in kept[0].ranges
        }
        moments = {key: _moments([slice_.sums[key] for slice_ in kept]) for key in dict.fromkeys(self.keys.values())}
        return Observation(ranges, {name: moments[key] for name, key in self.keys.items()})


def observed(
    model: onnx.ModelProto, tensors: Collection[str], convolutions: Collection[str], inputs: Sequence[FloatArray]
) -> ObservedSlices:
    """Runs the graph on each slice.

    Args:
        model: in FP32, of fixed shapes.
        tensors: whose ranges are requested; those that the convolutions read are included.
        convolutions: names of dense ones whose moments are requested.
        inputs: at least one slice as the graph takes it, (1, C, H, W) float32.

    Raises:
        ExportError: see `Evaluator`.
    """
    kernels = {
        name: (values.shape[2], values.shape[3]) for name, values in constants_of(model).items() if values.ndim == 4
    }
    read: dict[str, dict[_Patches, Attributes]] = {}
    keys: dict[str, _Patches] = {}
    for node in model.graph.node:
        if node.name in convolutions:
            attributes = attributes_of(node)
            keys[node.name] = key = (node.input[0], kernels[node.input[1]], repr(sorted(attributes.items())))
            read.setdefault(node.input[0], {})[key] = attributes
    run = Evaluator(model, {*tensors, *read})

    def on(value: FloatArray) -> _Slice:
        slice_ = _Slice(read)
        run(value, slice_.see)
        return slice_

    return ObservedSlices(tuple(in_parallel(on, inputs, "observing the calibration slices")), keys)


def _moments(slices: Sequence[tuple[Matrix, Matrix]]) -> Moments:
    """Of means and mean products of slices of one size."""
    mean, products = (np.zeros_like(part) for part in slices[0])
    for one in slices:
        mean += one[0] / len(slices)
        products += one[1] / len(slices)
    return Moments(mean, products - np.multiply.outer(mean, mean))
