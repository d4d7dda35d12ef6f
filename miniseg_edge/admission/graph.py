"""A model as seen by admission: operators in execution order, constants, and the shapes that the file states."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]

MAX_RANK = 16
MAX_SIDE = 2**31 - 1
MAX_NUMBERS = 1024
"""Tensors up to this many elements are tracked by value, such as shapes. Larger tensors hold weights."""


class NotAdmittedError(Exception):
    """The reason why an operator or a file is refused. It becomes an UnsafeModelError that names the place."""


@dataclass(frozen=True)
class Value:
    """A tensor that has not been computed yet.

    Attributes:
        shape: of the tensor.
        numbers: its elements in row-major order if it is small and they are known, as for shapes and axes.
        constant: whether it is independent of the slice, so that a vendor may compute it when it opens the model.
    """

    shape: Shape
    numbers: tuple[int, ...] | tuple[float, ...] | None = None
    constant: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) > MAX_RANK or not all(0 <= side <= MAX_SIDE for side in self.shape):
            raise NotAdmittedError(f"a tensor of shape {str(self.shape)[:80]}")

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Value


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes:
        operator: `Conv` in ONNX, `opset1.Convolution` in an IR.
        name: for messages.
        inputs: names of values; "" for an omitted input.
        outputs: names of values; each value is the output of exactly one node.
        attributes: as stored in the file; all are texts in an IR.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Port:
    """The graph's input or output: the name that applications use, the name of its value, and the stated shape."""

    name: str
    value: str
    shape: Shape


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        input, output: its only ones; free sides are `tensors.ANY`.
        constants: by name.
        nodes: each after those whose outputs it reads.
        stated: shapes that the file itself states, by the value's name; a vendor may believe them. Free sides are ANY.
    """

    input: Port
    output: Port
    constants: Mapping[str, Value]
    nodes: tuple[Node, ...]
    stated: Mapping[str, Shape]

    @property
    def operators(self) -> tuple[str, ...]:
        """Its operators, each once, sorted."""
        return tuple(sorted({node.operator for node in self.nodes}))
