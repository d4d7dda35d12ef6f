"""Equalises the channels of a tensor, exactly, before the tensor is quantized with one step for all of them.

The pyramid's branches are depthwise convolutions whose outputs are only read by linear layers. So a channel may be
divided by any s > 0 where it is produced and multiplied by it where it is read: the function is the same, but a quiet
channel is no longer rounded with the step of a loud one. With r the channel's largest value and w the largest weight
that reads it, s = sqrt(r / w) gives both the same range (Nagel et al., "Data-Free Quantization through Weight
Equalization and Bias Correction", 2019, arXiv 1906.04721, with measured ranges).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator

from miniseg_edge.export.quantization.constants import constants_of, drop_unused, set_constant
from miniseg_edge.export.quantization.exact.arithmetic import Matrix
from miniseg_edge.export.quantization.observation import Observation

_TINY = 1e-6
_MOVES = {"Transpose", "Reshape"}


@dataclass(frozen=True, eq=False)
class _Reader:
    """A dense convolution, and the tensor's channel that each of its input channels carries."""

    node: onnx.NodeProto
    carried: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Branches:
    """A concatenation of depthwise convolutions' outputs and the dense convolutions that read it."""

    tensor: str
    makers: tuple[onnx.NodeProto, ...]
    readers: tuple[_Reader, ...]


def branches_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """The tensors that `equalised` works on, whose ranges it needs. `model` has fixed shapes."""
    return tuple(place.tensor for place in _places(model))


def equalised(model: onnx.ModelProto, seen: Observation) -> tuple[onnx.ModelProto, Observation]:
    """The same function with equalised branches, and the observations on it, computed from the given ones.

    Args:
        model: of fixed shapes.
        seen: on the graph as it is, with the ranges of `branches_of`.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    ranges, moments = dict(seen.ranges), dict(seen.moments)
    for place in _places(found):
        scales = _equalise(found, place, ranges[place.tensor].peaks)
        carried = {place.tensor: scales} | {one.node.input[0]: scales[one.carried] for one in place.readers}
        ranges |= {name: ranges[name].divided(part) for name, part in carried.items() if name in ranges}
        for one in place.readers:
            if one.node.name in moments:
                moments[one.node.name] = moments[one.node.name].divided(scales[one.carried])
    drop_unused(found)
    return found, replace(seen, ranges=ranges, moments=moments)


def _equalise(model: onnx.ModelProto, place: _Branches, peaks: Matrix) -> Matrix:
    """Divides the channels where they are produced and multiplies them where they are read; returns the factors."""
    constants = constants_of(model)
    loudest = np.zeros_like(peaks)
    for reader in place.readers:
        weights = np.abs(constants[reader.node.input[1]]).max(axis=(0, 2, 3))
        np.maximum.at(loudest, reader.carried, weights)
    scales = np.sqrt(np.maximum(peaks, _TINY) / np.maximum(loudest, _TINY))
    # Their overall scale is free: a power of two keeps it near 1.
    scales = np.asarray(np.ldexp(scales, -int(np.frexp(scales)[1].sum() // len(scales))))
    for reader in place.readers:
        weights = constants[reader.node.input[1]] * scales[reader.carried][None, :, None, None]
        set_constant(model, reader.node, 1, weights.astype(np.float32))
    first = 0
    for maker in place.makers:
        width = len(constants[maker.input[1]])
        part = scales[first : first + width]
        for index in range(1, len(maker.input)):
            values = constants[maker.input[index]]
            set_constant(model, maker, index, (values / part.reshape(-1, *[1] * (values.ndim - 1))).astype(np.float32))
        first += width
    return scales


def _places(model: onnx.ModelProto) -> list[_Branches]:
    by_output = {name: node for node in model.graph.node for name in node.output}
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    found = []
    for node in model.graph.node:
        makers = [by_output.get(name) for name in node.input]
        if node.op_type != "Concat" or not all(_depthwise(maker) for maker in makers):
            continue
        alone = all(len(_readers_of(model, name)) == 1 for name in node.input)
        readers = _dense_readers(model, node.output[0], shapes[node.output[0]])
        if alone and readers:
            found.append(_Branches(node.output[0], tuple(m for m in makers if m is not None), readers))
    return found


def _depthwise(node: onnx.NodeProto | None) -> bool:
    return node is not None and node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute)


def _readers_of(model: onnx.ModelProto, tensor: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if tensor in node.input]


def _dense_readers(model: onnx.ModelProto, tensor: str, shape: list[int]) -> tuple[_Reader, ...]:
    """The convolutions that read a tensor, directly or reordered; none if anything else reads it too."""
    channels = np.arange(shape[1], dtype=np.float32)[None, :, None, None]
    return tuple(_followed(model, tensor, np.broadcast_to(channels, shape))) or ()


def _followed(model: onnx.ModelProto, tensor: str, numbered: npt.NDArray[np.float32]) -> list[_Reader]:
    """Follows a tensor, whose values are the numbers of its channels, to the convolutions that read them."""
    found = []
    for node in _readers_of(model, tensor):
        if node.op_type == "Conv" and not _depthwise(node) and (numbered == numbered[:, :, :1, :1]).all():
            found.append(_Reader(node, numbered[0, :, 0, 0].astype(np.int64)))
        elif node.op_type in _MOVES:
            found += _followed(model, node.output[0], _moved(model, node, numbered)) or [_NOBODY]
        else:  # or a channel that carries several
            found.append(_NOBODY)
    return [] if _NOBODY in found else found


_NOBODY = _Reader(onnx.NodeProto(), np.zeros(0, np.int64))
"""Placeholder for anything except a dense convolution."""


def _moved(model: onnx.ModelProto, node: onnx.NodeProto, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Applies a Transpose or Reshape to an array."""
    used = [constant for constant in model.graph.initializer if constant.name in node.input]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in (node.input[0], node.output[0])
    ]
    graph = onnx.helper.make_graph([node], "move", ends[:1], ends[1:], used)
    alone = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    (found,) = ReferenceEvaluator(alone).run(None, {node.input[0]: values})
    return np.asarray(found)
