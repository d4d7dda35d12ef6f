"""The interface for the rules of operators: a node with its inputs, and its outputs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.admission.graph import MAX_NUMBERS, Attribute, Node, NotAdmittedError, Shape, Value

_INTEGER = re.compile(r"\s*(-?[0-9]{1,18})\s*")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Made:
    """The result of an operator.

    Attributes:
        values: its outputs, in order.
        multiplications: beyond one for each element that it reads and writes.
        workspace: elements that an engine may allocate in addition to inputs and outputs, such as a padded input.
    """

    values: tuple[Value, ...]
    multiplications: int = 0
    workspace: int = 0


@dataclass(frozen=True)
class Call:
    """A node that is about to run on known shapes."""

    node: Node
    inputs: tuple[Value | None, ...]

    def has(self, index: int) -> bool:
        """Whether this input exists."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """An input. Raises: NotAdmittedError if it is omitted."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise NotAdmittedError(f"input {index} is missing")
        return found

    def shape(self, index: int = 0) -> Shape:
        """An input's shape."""
        return self.value(index).shape

    def numbers(self, index: int) -> tuple[int, ...]:
        """An input's elements as integers. Raises: NotAdmittedError if they depend on data or are not integers."""
        found = self.value(index).numbers
        if found is None:
            raise NotAdmittedError(f"its shape depends on the values of input {index}")
        return tuple(_whole(number) for number in found)

    def number(self, index: int) -> int:
        """An input's only element."""
        found = self.numbers(index)
        if len(found) != 1:
            raise NotAdmittedError(f"input {index} is not a single number")
        return found[0]

    def floats(self, index: int) -> tuple[float, ...]:
        """An input's elements. Raises: NotAdmittedError if they depend on data."""
        found = self.value(index).numbers
        if found is None:
            raise NotAdmittedError(f"its shape depends on the values of input {index}")
        return tuple(float(number) for number in found)

    def attribute(self, name: str) -> Attribute | None:
        """An attribute as stored in the file, or None."""
        return self.node.attributes.get(name)

    def wholes(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        found = self.attribute(name)
        if found is None:
            return tuple(default)
        if isinstance(found, str):
            return integers(found)
        if not isinstance(found, tuple):
            raise NotAdmittedError(f"{name} is not a list of numbers")
        return tuple(_whole(number) for number in found)

    def whole(self, name: str, default: int | None = None) -> int:
        """An integer attribute. Raises: NotAdmittedError if it is missing and has no default."""
        found = self.attribute(name)
        if found is None and default is not None:
            return default
        one = integers(found) if isinstance(found, str) else (found,)
        if len(one) != 1 or not isinstance(one[0], int):
            raise NotAdmittedError(f"{name} is not a whole number")
        return one[0]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A Boolean attribute."""
        found = self.attribute(name)
        if found is None:
            return default
        if str(found).lower() not in _FLAGS:
            raise NotAdmittedError(f"{name} is neither true nor false")
        return _FLAGS[str(found).lower()]

    def text(self, name: str, default: str = "") -> str:
        """A text attribute, in lower case."""
        found = self.attribute(name)
        if found is not None and not isinstance(found, str):
            raise NotAdmittedError(f"{name} is not text")
        return default if found is None else found.lower()


Operator = Callable[[Call], Made]
"""Computes an operator's outputs from its inputs. Raises: NotAdmittedError."""


def integers(text: str) -> tuple[int, ...]:
    """Integers separated by commas. Raises: NotAdmittedError."""
    found = [_INTEGER.fullmatch(part) for part in text.split(",")] if text.strip() else []
    if not all(found):
        raise NotAdmittedError(f"{text[:40]!r} is not a list of whole numbers")
    return tuple(int(part[1]) for part in found if part is not None)


def made(*shapes: Shape, multiplications: int = 0, workspace: int = 0) -> Made:
    """Outputs whose numbers are not tracked."""
    return Made(tuple(Value(shape) for shape in shapes), multiplications, workspace)


def moved(call: Call, shape: Shape, move: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]) -> Made:
    """The first input's elements in another shape or order, with their numbers if those are known."""
    value = call.value(0)
    if value.numbers is None or Value(shape).size > MAX_NUMBERS:
        return made(shape)
    return Made((value_of(move(np.array(value.numbers).reshape(value.shape))),))


def value_of(array: npt.NDArray[np.generic]) -> Value:
    """A small array as a value with its numbers."""
    return Value(array.shape, tuple(array.ravel().tolist()))


def _whole(number: float) -> int:
    if not isinstance(number, int):
        raise NotAdmittedError("a number that is not whole")
    return number
