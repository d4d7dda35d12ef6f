"""Groups of convolutions, which are quantized together or not at all. A group is one kind of layer in one stage.

Groups only contain dense convolutions: OpenVINO runs depthwise ones no faster in INT8 than in FP32, and the decoder's
upsampling is a handful of fixed weights. NVIDIA's ModelOpt excludes them as well.
"""

import math
import re
from collections.abc import Collection, Mapping

import onnx

_KINDS = (
    ("first", re.compile(r"first\.")),
    ("stage-1", re.compile(r"level1\.\d+\.(conv|entries)")),
    ("exchange", re.compile(r"exchange(?P<stage>\d)")),
    ("entries", re.compile(r"level(?P<stage>\d)\.\d+\.entries")),
    ("gates", re.compile(r"(level|down)(?P<stage>\d).*\.attention")),
    ("fuse", re.compile(r"(level|down)(?P<stage>\d).*\.fuse")),
    ("decoder", re.compile(r"(up4|up\d\.(skip|reduce)|pred1)\b")),
)


WIDE = 16
"""Minimum input and output channels for INT8 to pay off on tensor cores: ModelOpt's rule, not a measurement."""


def group_of(name: str) -> str | None:
    """The group of a convolution by its name, which starts with its block, or None if it is never quantized."""
    for kind, pattern in _KINDS:
        if found := pattern.match(name):
            return f"{kind}-{found['stage']}" if "stage" in found.groupdict() else kind
    return None


def groups_of(model: onnx.ModelProto, left_alone: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """The groups that a graph has, in its order, each with the names of its convolutions.

    Args:
        model: whose nodes are named after their blocks.
        left_alone: name prefixes of convolutions that are in no group.
    """
    found: dict[str, list[str]] = {}
    for node in model.graph.node:
        dense = node.op_type == "Conv" and _groups(node) == 1 and not node.name.startswith(left_alone)
        if dense and (group := group_of(node.name)) is not None:
            found.setdefault(group, []).append(node.name)
    return {group: tuple(names) for group, names in found.items()}


def wide_groups(model: onnx.ModelProto, groups: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The groups whose convolutions all have at least `WIDE` input and output channels."""
    shapes = {weights.name: weights.dims for weights in model.graph.initializer}
    wide = {node.name for node in model.graph.node if node.op_type == "Conv" and min(shapes[node.input[1]][:2]) >= WIDE}
    return tuple(group for group, names in groups.items() if wide.issuperset(names))


def multiplications(model: onnx.ModelProto, groups: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Multiplications of each group for one slice, in a graph of fixed shapes."""
    known = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim[2:]]
        for value in (*known.value_info, *known.output)
    }
    weights = {constant.name: math.prod(constant.dims) for constant in model.graph.initializer}
    each = {
        node.name: weights[node.input[1]] * math.prod(sizes[node.output[0]])
        for node in model.graph.node
        if node.op_type == "Conv"
    }
    return {group: sum(each[name] for name in names) for group, names in groups.items()}


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
