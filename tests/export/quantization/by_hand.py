"""A small graph with every kind of layer that INT8 deals with, written by hand: it needs no torch, and its bits are the
same on every machine and in every version."""

import math
import random
from functools import cache
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import GraphInterface

SIZE = (48, 64)
INPUT, OUTPUT = GraphInterface().input(SIZE), GraphInterface().output(SIZE, 2)
_WIDTH = 16


class _Graph:
    """Nodes and weights as they come."""

    def __init__(self) -> None:
        self._generator = random.Random(6)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}/{kind}", **attributes))
        return name

    def convolved(self, name: str, x: str, shape: tuple[int, ...], *, biased: bool = True, **attributes: object) -> str:
        inputs = [x, self.drawn(f"{name}.weight", shape, 2 / math.sqrt(shape[1] * shape[2] * shape[3]))]
        if biased:
            inputs.append(self.drawn(f"{name}.bias", shape[:1], 0.2))
        return self.add("Conv", name, inputs, kernel_shape=shape[2:], **attributes)

    def activated(self, name: str, x: str, channels: int) -> str:
        return self.add("PRelu", name, [x, self.drawn(f"{name}.slope", (channels, 1, 1), 0.4)])

    def drawn(self, name: str, shape: tuple[int, ...], size: float) -> str:
        count = int(np.prod(shape))
        values = [size * (2 * self._generator.random() - 1) for _ in range(count)]
        self.weights.append(numpy_helper.from_array(np.array(values, np.float32).reshape(shape), name))
        return name

    def constant(self, name: str, values: FloatArray) -> str:
        self.weights.append(numpy_helper.from_array(values, name))
        return name


@cache
def graph_by_hand() -> OnnxModel:
    """Grey values in, logits over background out, at `SIZE`; blocks are called as MiniSeg's are."""
    made, wide = _Graph(), _WIDTH
    x = made.add("Mul", "scaled", ["slice", made.constant("factor", np.array(1 / 64, np.float32))])
    x = made.add("Add", "normalised", [x, made.constant("offset", np.array(-2, np.float32))])
    x = made.convolved("first.conv", x, (wide, 1, 5, 5), strides=(2, 2), pads=(2, 2, 2, 2))
    add = made.activated("first.act", x, wide)
    for stage in (2, 3):
        block = f"level{stage}.0"
        side = wide // 4
        x = made.convolved(f"{block}.entries", add, (side, wide, 1, 1), biased=False)
        branches = [
            made.convolved(
                f"{block}.body.branches.{k}", x, (side, 1, 3, 3), group=side, dilations=(k, k), pads=(k,) * 4
            )
            for k in (1, 2, 4, 8)
        ]
        x = made.add("Concat", f"{block}.body", branches, axis=1)
        gates = made.convolved(f"{block}.body.attention", x, (wide, wide, 1, 1))
        gates = made.add("Sigmoid", f"{block}.gates", [gates])
        fused = made.convolved(f"{block}.body.fuse", x, (wide, wide, 1, 1), biased=False)
        fused = made.add("Mul", f"{block}.gated", [fused, gates])
        add = made.add("Add", f"{block}.sum", [made.activated(f"{block}.act", fused, wide), add])
    x = made.convolved("up1.reduce", add, (8, wide, 3, 3), pads=(1, 1, 1, 1))
    x = made.convolved("pred1", made.activated("up1.act", x, 8), (1, 8, 1, 1))
    taps = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)[None, None]
    edge = made.add("Pad", "edge", [x, "around"], mode="edge")
    made.weights.append(numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "around"))
    doubled = [edge, made.constant("taps", taps)]
    made.add("ConvTranspose", "logit", doubled, kernel_shape=(4, 4), strides=(2, 2), pads=(3, 3, 3, 3), group=1)
    ends = [helper.make_tensor_value_info(s.name, TensorProto.FLOAT, s.shape) for s in (INPUT, OUTPUT)]
    graph = helper.make_graph(made.nodes, "by hand", ends[:1], ends[1:], made.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return OnnxModel(model.SerializeToString(), len(graph.node))


def pixels(index: int, size: tuple[int, int] = SIZE) -> ByteArray:
    """A slice made of whole numbers: smooth shapes that differ from one to the next, and some noise."""
    generator = random.Random(index)
    rows, columns = np.mgrid[: size[0], : size[1]]
    found = np.full(size, 40)
    for _ in range(12):
        top, left = generator.randrange(size[0]), generator.randrange(size[1])
        reach, height = generator.randrange(4, 20), generator.randrange(-60, 90)
        found += height * np.maximum(reach**2 - (rows - top) ** 2 - (columns - left) ** 2, 0) // reach**2
    found += np.array([generator.randrange(9) for _ in range(found.size)]).reshape(size)
    return np.asarray(np.clip(found, 0, 255), np.uint8)


def inputs(count: int, size: tuple[int, int] = SIZE) -> list[FloatArray]:
    """Slices as a graph takes them that takes grey values."""
    return [pixels(index, size).astype(np.float32)[None, None] for index in range(count)]
