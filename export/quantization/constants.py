"""Reads the constants of an ONNX graph, and replaces them for one node without affecting others that share them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx


def constants_of(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    """All constants by name."""
    return {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}


def set_constant(model: onnx.ModelProto, node: onnx.NodeProto, index: int, values: Any) -> None:
    """Gives a node its own constant as input number `index`; appends an input if it has exactly `index`."""
    name = f"{node.name}/{index}"
    while any(constant.name == name for constant in model.graph.initializer):
        name += "'"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    if index == len(node.input):
        node.input.append(name)
    else:
        node.input[index] = name


def drop_unused(model: onnx.ModelProto) -> None:
    """Removes constants that no node reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
