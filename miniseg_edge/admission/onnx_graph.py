"""ONNX -> the graph for admission, field by field (onnx/onnx.proto).

Only what a plain network needs is read. A field for anything else refuses the file: functions, subgraphs, sequences,
sparse and external tensors, texts. A singular field that occurs twice does too, because parsers would merge the two.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from miniseg_edge.admission.graph import MAX_NUMBERS, Attribute, Graph, Node, NotAdmittedError, Port, Shape, Value
from miniseg_edge.bundle.onnx_file import check_self_contained
from miniseg_edge.bundle.protobuf import FIXED_32, FIXED_64, MESSAGE, VARINT, after, integer, number
from miniseg_edge.errors import UnsafeModelError
from miniseg_edge.tensors import ANY

OPSETS = range(13, 22)
"""Versions of the operators whose shape rules are implemented; the exporter writes version 20."""

MAX_PARTS = 400_000
"""Messages, and numbers that are not raw bytes. Our networks have about 30,000."""

_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class _Kind:
    """A message: its fields by number, (name, type), and which may be repeated. Fields in `skip` are ignored."""

    name: str
    fields: Mapping[int, tuple[str, Any]]
    repeated: frozenset[str] = frozenset()


_DIMENSION = _Kind("TensorShapeProto.Dimension", {1: ("value", int), 2: ("parameter", str), 3: ("denotation", None)})
_SHAPE = _Kind("TensorShapeProto", {1: ("sides", _DIMENSION)}, frozenset({"sides"}))
_TENSOR_TYPE = _Kind("TypeProto.Tensor", {1: ("type", int), 2: ("shape", _SHAPE)})
_TYPE = _Kind("TypeProto", {1: ("tensor", _TENSOR_TYPE), 6: ("denotation", None)})
_VALUE_INFO = _Kind("ValueInfoProto", {1: ("name", str), 2: ("type", _TYPE), 3: ("about", None), 4: ("about", None)})
_TENSOR = _Kind(
    "TensorProto",
    {
        **{1: ("sides", [int]), 2: ("type", int), 4: ("float_data", [float]), 5: ("int32_data", [int])},
        **{7: ("int64_data", [int]), 8: ("name", str), 9: ("raw_data", bytes), 12: ("about", None)},
        **{14: ("location", None), 16: ("about", None)},
    },
)
_ATTRIBUTE = _Kind(
    "AttributeProto",
    {
        **{1: ("name", str), 2: ("f", float), 3: ("i", int), 4: ("s", str), 5: ("t", _TENSOR)},
        **{7: ("floats", [float]), 8: ("ints", [int]), 13: ("about", None), 20: ("type", int)},
    },
)
_NODE = _Kind(
    "NodeProto",
    {
        **{
            1: ("inputs", str),
            2: ("outputs", str),
            3: ("name", str),
            4: ("operator", str),
            5: ("attributes", _ATTRIBUTE),
        },
        **{6: ("about", None), 7: ("domain", str), 9: ("about", None)},
    },
    frozenset({"inputs", "outputs", "attributes"}),
)
_GRAPH = _Kind(
    "GraphProto",
    {
        **{1: ("nodes", _NODE), 2: ("name", None), 5: ("weights", _TENSOR), 10: ("about", None), 16: ("about", None)},
        **{11: ("inputs", _VALUE_INFO), 12: ("outputs", _VALUE_INFO), 13: ("stated", _VALUE_INFO)},
    },
    frozenset({"nodes", "weights", "inputs", "outputs", "stated"}),
)
_OPSET = _Kind("OperatorSetIdProto", {1: ("domain", str), 2: ("version", int)})
_MODEL = _Kind(
    "ModelProto",
    {
        **{1: ("ir_version", int), 2: ("about", None), 3: ("about", None), 4: ("about", None), 5: ("about", None)},
        **{6: ("about", None), 7: ("graph", _GRAPH), 8: ("opsets", _OPSET), 14: ("about", None)},
    },
    frozenset({"opsets"}),
)

_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Element sizes of the supported types of TensorProto.DataType."""

_WRITTEN_AS = {1: ("f", float), 2: ("i", int), 3: ("s", str), 4: ("t", None), 6: ("floats", None), 7: ("ints", None)}
"""Attribute types, and the field that holds each."""

_FOLLOWED = {1: "f", 6: "i", 7: "q"}
"""Element types of numbers that shapes may depend on, as `struct` formats."""


def graph_from_onnx(model: bytes) -> Graph:
    """Reads a model.

    Raises:
        IncompatibleError: the file is not ONNX.
        UnsafeModelError: the file is more than a plain network, or contradicts itself.
    """
    check_self_contained(model)
    try:
        return _graph(_Reader(model).message(_MODEL, 0, len(model)), model)
    except NotAdmittedError as reason:
        raise UnsafeModelError(
            "the ONNX is more than a plain network", expected="standard operators, weights, one input and one output",
            because=str(reason), remedy="Export it again with miniseg-export.",
        ) from reason  # fmt: skip


@dataclass
class _Reader:
    """Messages of a file as dictionaries. Bytes are not copied but referred to by their position."""

    model: bytes
    left: int = MAX_PARTS

    def message(self, kind: _Kind, start: int, end: int) -> dict[str, Any]:
        """A message and its submessages, as deep as `_Kind` is nested. Raises: NotAdmittedError, IncompatibleError."""
        self._take(1)
        found: dict[str, Any] = {name: [] for name in kind.repeated}
        position = start
        while position < end:
            key, position = number(self.model, position, end)
            if key >> 3 not in kind.fields:
                raise NotAdmittedError(f"field {key >> 3} of a {kind.name}")
            name, type_ = kind.fields[key >> 3]
            if type_ is None:
                position = after(self.model, position, end, key & 7)
                continue
            value, position = self._value(type_, key & 7, position, end)
            if name in kind.repeated:
                found[name].append(value)
            elif isinstance(type_, list):
                found.setdefault(name, []).extend(value)
            elif name in found:
                raise NotAdmittedError(f"two fields {key >> 3} of a {kind.name}")
            else:
                found[name] = value
        return found

    def _value(self, type_: Any, wire: int, position: int, end: int) -> tuple[Any, int]:
        if type_ is int and wire == VARINT:
            return integer(self.model, position, end)
        behind = after(self.model, position, end, wire)
        if type_ is float and wire == FIXED_32:
            return struct.unpack_from("<f", self.model, position)[0], behind
        if isinstance(type_, list) and wire != FIXED_64:
            return self._numbers(type_[0], wire, position, behind), behind
        if wire != MESSAGE:
            raise NotAdmittedError(f"wire type {wire}")
        size, position = number(self.model, position, behind)
        if type_ is bytes:
            return (position, size), behind
        if type_ is str:
            return self._text(position, behind), behind
        if not isinstance(type_, _Kind):
            raise NotAdmittedError(f"wire type {wire}")
        return self.message(type_, position, behind), behind

    def _take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise NotAdmittedError(f"more than {MAX_PARTS} parts")

    def _text(self, start: int, end: int) -> str:
        try:
            return self.model[start:end].decode()
        except UnicodeDecodeError as reason:
            raise NotAdmittedError("a name that is not UTF-8") from reason

    def _numbers(self, type_: type, wire: int, position: int, behind: int) -> tuple[int, ...] | tuple[float, ...]:
        """A repeated field's numbers: packed into one value, or one of many."""
        if wire == MESSAGE:
            _, position = number(self.model, position, behind)
        elif wire != (VARINT if type_ is int else FIXED_32):
            raise NotAdmittedError(f"wire type {wire}")
        if type_ is float:
            if (behind - position) % 4:
                raise NotAdmittedError("half a number")
            self._take((behind - position) // 4)
            return struct.unpack(f"<{(behind - position) // 4}f", self.model[position:behind])
        found = []
        while position < behind:
            self._take(1)
            one, position = integer(self.model, position, behind)
            found.append(one)
        return tuple(found)


def _graph(model: Mapping[str, Any], data: bytes) -> Graph:
    graph = model.get("graph", {name: [] for name in _GRAPH.repeated})
    versions = [opset.get("version") for opset in model["opsets"] if opset.get("domain", "") in _STANDARD]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise NotAdmittedError(f"opset {str(versions)[:80]}")
    constants = {_named(tensor): _constant(tensor, data) for tensor in graph["weights"]}
    if len(constants) != len(graph["weights"]) or len(graph["inputs"]) != 1 or len(graph["outputs"]) != 1:
        raise NotAdmittedError("weights that share a name, or not one input and one output")
    input_, output = (_port(graph[which][0]) for which in ("inputs", "outputs"))
    names = _Names({*constants, input_.value})
    if input_.value in constants:
        raise NotAdmittedError("an input that is a weight")
    nodes = tuple(_node(node, names, data) for node in graph["nodes"])
    names.check_known(output.value)
    stated = {}
    for info in graph["stated"]:
        port = _port(info, stated_only=True)
        if port.value in stated:
            raise NotAdmittedError(f"two shapes of {port.value[:80]!r}")
        stated[port.value] = port.shape
    return Graph(input_, output, constants, nodes, {k: v for k, v in stated.items() if v is not None})


@dataclass
class _Names:
    """Values that exist so far. Each is produced once, before it is read."""

    known: set[str] = field(default_factory=set)

    def check_known(self, name: str) -> None:
        if name not in self.known:
            raise NotAdmittedError(f"a value {name[:80]!r} that nothing before it makes")

    def make(self, name: str) -> None:
        if name in self.known:
            raise NotAdmittedError(f"two values {name[:80]!r}")
        self.known.add(name)


def _node(node: Mapping[str, Any], names: _Names, data: bytes) -> Node:
    domain, operator = node.get("domain", ""), node.get("operator", "")
    for name in filter(None, node["inputs"]):
        names.check_known(name)
    for name in filter(None, node["outputs"]):
        names.make(name)
    attributes: dict[str, Attribute] = {}
    for attribute in node["attributes"]:
        if attribute.get("name", "") in attributes:
            raise NotAdmittedError(f"two attributes {attribute.get('name', '')[:40]!r}")
        attributes[attribute.get("name", "")] = _attribute(attribute, data)
    return Node(
        operator if domain in _STANDARD else f"{domain}.{operator}", node.get("name", ""),
        tuple(node["inputs"]), tuple(node["outputs"]), attributes,
    )  # fmt: skip


def _attribute(attribute: Mapping[str, Any], data: bytes) -> Attribute:
    type_ = attribute.get("type", 0)
    if type_ not in _WRITTEN_AS:
        raise NotAdmittedError(f"an attribute of type {type_}")
    place = _WRITTEN_AS[type_][0]
    if attribute.keys() & {place for place, _ in _WRITTEN_AS.values()} - {place}:
        raise NotAdmittedError("an attribute with values of two types")
    empty: dict[str, Attribute] = {"f": 0.0, "i": 0, "s": "", "floats": (), "ints": ()}
    found = attribute.get(place, empty.get(place))
    if place == "t":
        return _constant(found or {}, data)
    value: Attribute = tuple(found) if isinstance(found, list) else found
    return value


def _named(tensor: Mapping[str, Any]) -> str:
    name: str = tensor.get("name", "")
    if not name:
        raise NotAdmittedError("a weight without a name")
    return name


def _constant(tensor: Mapping[str, Any], data: bytes) -> Value:
    """A tensor whose elements are all present, exactly once."""
    type_, shape = tensor.get("type", 0), tuple(tensor.get("sides", ()))
    if type_ not in _BYTES or min(shape, default=0) < 0:
        raise NotAdmittedError(f"a weight of type {type_} and shape {str(shape)[:80]}")
    count = prod(shape)
    start, size = tensor.get("raw_data", (0, 0))
    lists = [tensor[name] for name in ("float_data", "int32_data", "int64_data") if tensor.get(name)]
    fits = not lists if size else (len(lists) == 1 and len(lists[0]) == count) or (count == 0 and not lists)
    if size != (count * _BYTES[type_] if size else 0) or not fits:
        raise NotAdmittedError(f"a weight of shape {str(shape)[:80]} with other data")
    numbers: tuple[Any, ...] | None = None
    if count <= MAX_NUMBERS and type_ in _FOLLOWED:
        code = _FOLLOWED[type_]
        numbers = struct.unpack(f"<{count}{code}", data[start : start + size]) if size else tuple((lists or [()])[0])
        if any(isinstance(one, int) == (code == "f") for one in numbers):
            raise NotAdmittedError("a weight whose data is of another type")
    return Value(shape, numbers, constant=True)


def _port(info: Mapping[str, Any], *, stated_only: bool = False) -> Port:
    """An input, an output or a stated shape. Free sides are ANY, and so is every side of a value without a shape."""
    name: str = info.get("name", "")
    shape = info.get("type", {}).get("tensor", {}).get("shape")
    if not name or (shape is None and not stated_only):
        raise NotAdmittedError(f"an input, output or value {name[:80]!r} without a name or a shape")
    return Port(name, name, _sides(shape))


def _sides(shape: Mapping[str, Any]) -> Shape:
    sides = tuple(side.get("value", ANY) for side in shape["sides"])
    if any(side < 0 for side in sides if side != ANY):
        raise NotAdmittedError(f"a shape {str(sides)[:80]}")
    return sides
