"""What flows through a graph on the calibration slices: ranges of channels, and moments of a convolution's inputs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from miniseg_edge import terminal
from miniseg_edge.dependencies import require
from miniseg_edge.preprocessing import FloatArray

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the patches that a convolution reads, as vectors of n = i k k values, in the order of its weights.

    Attributes:
        mean: (n,) float64.
        covariance: (n, n) float64.
    """

    mean: Matrix
    covariance: Matrix


def channel_peaks(model: onnx.ModelProto, tensors: Collection[str], inputs: Sequence[FloatArray]) -> dict[str, Matrix]:
    """The largest absolute value of each channel of some tensors, over all inputs: (C,) float64."""
    peaks: dict[str, Matrix] = {}
    for values in _observed(model, tensors, inputs, "ranges of the channels"):
        for name, value in values.items():
            found = np.abs(value).max(axis=(0, 2, 3)).astype(np.float64)
            peaks[name] = np.maximum(peaks.get(name, found), found)
    return peaks


def moments(
    model: onnx.ModelProto, convolutions: Sequence[onnx.NodeProto], inputs: Sequence[FloatArray]
) -> dict[str, Moments]:
    """The moments of what each of some dense convolutions reads, over all pixels of all inputs, by name."""
    kernels = {node.name: _kernel(model, node) for node in convolutions}
    sums: dict[tuple[object, ...], tuple[Matrix, Matrix]] = {}
    keys = {node.name: (node.input[0], kernels[node.name], str(_window(node))) for node in convolutions}
    for values in _observed(model, {node.input[0] for node in convolutions}, inputs, "moments of the activations"):
        seen = set()
        for node in convolutions:
            key = keys[node.name]
            if key in seen:  # another convolution has read the same patches
                continue
            seen.add(key)
            patches = _patches(values[node.input[0]][0], kernels[node.name], _window(node))
            mean = patches.mean(axis=1, dtype=np.float64)
            products = (patches @ patches.T).astype(np.float64) / patches.shape[1]
            before = sums.get(key, (np.zeros_like(mean), np.zeros_like(products)))
            sums[key] = before[0] + mean / len(inputs), before[1] + products / len(inputs)
    found = {}
    for name, key in keys.items():
        mean, products = sums[key]
        found[name] = Moments(mean, products - np.outer(mean, mean))
    return found


def session(model: onnx.ModelProto) -> Any:
    """An ONNX Runtime session on the CPU that says nothing. Raises: MissingDependencyError."""
    ort: Any = require("onnxruntime", "quantize")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _observed(
    model: onnx.ModelProto, tensors: Collection[str], inputs: Sequence[FloatArray], what: str
) -> Iterator[dict[str, FloatArray]]:
    """The values of some tensors within the graph, input by input."""
    names = sorted(tensors)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    running, fed = session(probe), model.graph.input[0].name
    for value in terminal.track(inputs, what):
        yield dict(zip(names, running.run(names, {fed: value}), strict=True))


def _kernel(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[int, int]:
    weight = next(w for w in model.graph.initializer if w.name == node.input[1])
    return weight.dims[2], weight.dims[3]


def _window(node: onnx.NodeProto) -> Mapping[str, list[int]]:
    """Strides and pads; the deployment graph's dense convolutions are undilated."""
    given = {attribute.name: list(attribute.ints) for attribute in node.attribute}
    return {"strides": given.get("strides", [1, 1]), "pads": given.get("pads", [0, 0, 0, 0])}


def _patches(x: FloatArray, kernel: tuple[int, int], window: Mapping[str, list[int]]) -> FloatArray:
    """(C, H, W) -> (C k k, pixels of the output): what a convolution multiplies its weights with."""
    top, left, bottom, right = window["pads"]
    x = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    views = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    rows, columns = window["strides"]
    views = views[:, ::rows, ::columns]
    return np.ascontiguousarray(views.transpose(0, 3, 4, 1, 2)).reshape(x.shape[0] * kernel[0] * kernel[1], -1)
