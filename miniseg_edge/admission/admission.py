"""What a graph needs to run on an input of a given shape, and whether that is within the limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from miniseg_edge.admission.call import Call, Made, Operator
from miniseg_edge.admission.graph import Graph, Node, NotAdmittedError, Shape, Value
from miniseg_edge.errors import UnsafeModelError
from miniseg_edge.tensors import ANY

MAX_NODES = 20_000
"""MiniSeg's graphs have some 600 operators, an IR's with those that fold some 1,500."""

MEBI = 2**20
MAX_FOLDED = 16 * MEBI
"""Elements of all values that do not depend on the slice, beside four for each that the file stores."""

MAX_VALUE_PER_PIXEL, MAX_VALUE = 1024, 2**30
MAX_VALUES_PER_PIXEL, MAX_VALUES = 6144, 2**33
"""Elements of one value or of an operator's workspace, and of all values together, that depend on the slice.

MiniSeg has 9 and some 500 a pixel, a UNet++ 160 and some 4,000.
"""

MAX_WORK_PER_PIXEL, MAX_WORK = 4 * MEBI, 2**44
"""Multiplications. A UNet++ has 250,000 a pixel."""

SMALL_PICTURE = 64 * 64
"""Minimum number of pixels that any slice counts as."""

_OF_SHAPES = ("Shape", "opset1.ShapeOf", "opset3.ShapeOf")
"""Their outputs only depend on the slice's shape: an engine may fold them and everything computed from them."""

_REMEMBERED = 1024
"""Input shapes that were admitted before."""


@dataclass
class Budget:
    """What remains of the limits while a graph is traversed."""

    pixels: int
    folded: int
    values: int = field(init=False)
    work: int = field(init=False)

    def __post_init__(self) -> None:
        self.values = min(self.pixels * MAX_VALUES_PER_PIXEL, MAX_VALUES)
        self.work = min(self.pixels * MAX_WORK_PER_PIXEL, MAX_WORK)

    def spend(self, made: Made, work: int, *, constant: bool) -> None:
        """Subtracts what an operator produces. Raises: NotAdmittedError if it is more than what remains."""
        elements = sum(value.size for value in made.values)
        if constant:
            self.folded -= elements + made.workspace
        else:
            self.values -= elements  # the workspace is given back
        self.work -= work + elements + made.multiplications
        largest = max(made.workspace, *(value.size for value in made.values))
        if self.folded < 0:
            raise NotAdmittedError("constants that grow beyond what the file stores")
        too_large = not constant and largest > min(self.pixels * MAX_VALUE_PER_PIXEL, MAX_VALUE)
        if self.values < 0 or too_large:
            raise NotAdmittedError("more values than a network for such slices has")
        if self.work < 0:
            raise NotAdmittedError("more multiplications than a network for such slices has")


class Admission:
    """A graph that is run only on input shapes for which its cost is known and bounded.

    Thread-safety: `admit` may be called from many threads at once.
    """

    def __init__(self, graph: Graph, rules: Mapping[str, Operator], allowed: frozenset[str] | None = None) -> None:
        """Takes a graph.

        Args:
            graph: as it was read.
            rules: the supported operators.
            allowed: which of them this model may use; None for all.

        Raises:
            UnsafeModelError: another operator, or too many.
        """
        check_operators(graph.operators, rules, allowed)
        if len(graph.nodes) > MAX_NODES:
            raise UnsafeModelError(
                "the model is not admitted", expected=f"at most {MAX_NODES} operators", got=f"{len(graph.nodes)}"
            )
        self._graph, self._rules = graph, rules
        self._admitted: set[Shape] = set()

    def admit(self, shape: Shape) -> None:
        """Computes what the graph needs for an input of this shape, unless it is known already.

        Raises:
            UnsafeModelError: something cannot be inferred, contradicts what the file states, or is too much.
        """
        if shape in self._admitted:
            return
        graph, place = self._graph, "its input"
        stored = sum(value.size for value in graph.constants.values())
        batch, sides = shape[0], shape[2:]
        pixels = batch
        for side in sides:
            pixels *= side
        budget = Budget(max(pixels, SMALL_PICTURE), MAX_FOLDED + 4 * stored)
        values = dict(graph.constants)
        values[graph.input.value] = Value(shape)
        try:
            _check_stated(shape, graph.input.shape)
            for name, value in values.items():
                _check_stated(value.shape, graph.stated.get(name))
            for node in graph.nodes:
                place = f"{node.operator} {node.name[:80]!r}"
                self._run(node, values, budget)
            place = "its output"
            _check_stated(values[graph.output.value].shape, graph.output.shape)
        except NotAdmittedError as reason:
            raise _refused(place, str(reason)) from reason
        if len(self._admitted) < _REMEMBERED:
            self._admitted.add(shape)

    def _run(self, node: Node, values: dict[str, Value], budget: Budget) -> None:
        call = Call(node, tuple(values[name] if name else None for name in node.inputs))
        made = self._rules[node.operator](call)
        if len(made.values) < len(node.outputs):
            raise NotAdmittedError(f"{len(node.outputs)} outputs")
        read = [value for value in call.inputs if value is not None]
        constant = node.operator in _OF_SHAPES or all(value.constant for value in read)
        if not constant and not all(value.size for value in made.values):
            raise NotAdmittedError("an output without elements")
        budget.spend(made, sum(value.size for value in read), constant=constant)
        for name, value in zip(node.outputs, made.values, strict=False):
            if name:
                _check_stated(value.shape, self._graph.stated.get(name))
                values[name] = Value(value.shape, value.numbers, constant)


def check_operators(
    found: tuple[str, ...], rules: Mapping[str, Operator], allowed: frozenset[str] | None = None
) -> None:
    """Refuses operators that are unknown or not allowed for this model. Raises: UnsafeModelError."""
    if strange := [name for name in found if name not in rules]:
        raise UnsafeModelError(
            "the model has operators that are not admitted",
            expected="arithmetic on tensors whose sizes are known beforehand",
            got=", ".join(strange)[:200],
            remedy="The operators of a network are listed in docs/networks.md.",
        )
    if allowed is not None and (strange := [name for name in found if name not in allowed]):
        raise UnsafeModelError(
            "the model has operators that its manifest does not record", expected=", ".join(sorted(allowed))[:200],
            got=", ".join(strange)[:200], remedy="Export it again with miniseg-export.",
        )  # fmt: skip


def _check_stated(shape: Shape, stated: Shape | None) -> None:
    if stated is None:
        return
    fits = len(stated) == len(shape) and all(side in (ANY, got) for side, got in zip(stated, shape, strict=True))
    if not fits:
        raise NotAdmittedError(f"the shape {str(stated)[:80]}, which is {str(shape)[:80]}")


def _refused(place: str, reason: str) -> UnsafeModelError:
    return UnsafeModelError(
        "the model is not admitted",
        expected="operators on tensors of known and bounded size",
        got=f"{place}: {reason}",
        remedy="Export it again with miniseg-export.",
    )
