"""The constants of an ONNX graph: read, and replaced for one node without touching others that share them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx


def constants_of(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    """All constants by name."""
    return {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}


def set_constant(model: onnx.ModelProto, node: onnx.NodeProto, index: int, values: Any) -> None:
    """Gives a node a constant of its own as its input number `index`; one more input where it has just `index`."""
    name = f"{node.name}/{index}"
    while any(constant.name == name for constant in model.graph.initializer):
        name += "'"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    if index == len(node.input):
        node.input.append(name)
    else:
        node.input[index] = name


def drop_unused(model: onnx.ModelProto) -> None:
    """Takes out constants that no node reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
