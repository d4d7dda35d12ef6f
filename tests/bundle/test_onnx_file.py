"""What the walk through an ONNX file sees, held against onnx's own parser."""

import struct
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from miniseg_edge.bundle.onnx_file import MAX_DEPTH, MAX_FIELDS, check_self_contained
from miniseg_edge.errors import IncompatibleError, UnsafeModelError

VARINT, FIXED_64, MESSAGE, GROUP, END_GROUP, FIXED_32 = range(6)

CHILDREN = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        **{5: "TensorProto", 10: "TensorProto", 6: "GraphProto", 11: "GraphProto"},
        **{22: "SparseTensorProto", 23: "SparseTensorProto"},
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}


def number(value: int, padding: int = 0) -> bytes:
    """A varint, `padding` bytes longer than need be."""
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    if padding:
        digits = [*digits[:-1], digits[-1] | 0x80, *[0x80] * (padding - 1), 0]
    return bytes(digits)


def field(of: int, wire: int, value: bytes, padding: int = 0) -> bytes:
    length = number(len(value), padding) if wire == MESSAGE else b""
    return number(of << 3 | wire, padding) + length + value


def message(*path: int, tail: bytes) -> bytes:
    """`tail` as the innermost of nested messages, whose field numbers are `path`."""
    for of in reversed(path):
        tail = field(of, MESSAGE, tail)
    return tail


LOCATION = field(13, MESSAGE, field(1, MESSAGE, b"location") + field(2, MESSAGE, b"secret"))
EXTERNAL = field(14, VARINT, b"\x01")
HERE = field(14, VARINT, b"\x00")


def refers_elsewhere(found: Message) -> bool:
    """Whether any tensor in a parsed message says that its data lies elsewhere."""
    if isinstance(found, onnx.TensorProto) and (found.external_data or found.data_location):
        return True
    for described, value in found.ListFields():
        if described.type == described.TYPE_MESSAGE:
            parts = value if described.is_repeated else [value]
            if any(refers_elsewhere(part) for part in parts):
                return True
    return False


def parsed(model: bytes) -> Message | None:
    """As onnx reads it, or None if it does not."""
    found = onnx.ModelProto()
    try:
        found.ParseFromString(model)
    except DecodeError:
        return None
    return found


def is_refused(model: bytes) -> bool:
    try:
        check_self_contained(model)
    except (UnsafeModelError, IncompatibleError):
        return True
    return False


def paths(kind: str = "ModelProto", longest: int = 6) -> Iterator[tuple[int, ...]]:
    """Every way from a model down to a tensor, in at most so many steps."""
    if kind == "TensorProto":
        yield ()
    elif longest:
        for of, child in CHILDREN[kind].items():
            for path in paths(child, longest - 1):
                yield (of, *path)


@pytest.mark.parametrize("tensor", [LOCATION, EXTERNAL, EXTERNAL + LOCATION])
def test_external_data_is_found_wherever_there_are_tensors(tensor: bytes) -> None:
    everywhere = list(paths())
    assert len(everywhere) > 50
    for path in everywhere:
        model = message(*path, tail=tensor)
        found = parsed(model)
        assert found is not None
        assert refers_elsewhere(found)
        with pytest.raises(UnsafeModelError, match="external data"):
            check_self_contained(model)


def test_the_table_is_that_of_onnx() -> None:
    """Every field of every message in which there may be tensors is known, and none of the others holds any."""
    seen: dict[str, dict[int, str]] = {}
    todo = [onnx.ModelProto.DESCRIPTOR]
    while todo:
        described = todo.pop()
        children = {f.number: f.message_type for f in described.fields if f.message_type is not None}
        seen[described.name] = {of: child.name for of, child in children.items()}
        todo += [child for child in children.values() if child.name not in seen]
    holds = {"TensorProto"}
    while more := {name for name, children in seen.items() if holds & set(children.values())} - holds:
        holds |= more
    assert {name: {of: kind for of, kind in seen[name].items() if kind in holds} for name in holds} == CHILDREN
    for name, children in CHILDREN.items():
        for described in getattr(onnx, name).DESCRIPTOR.fields:
            if name == "TensorProto" and described.number in (13, 14):
                continue
            path = next(path for path in ways_to(name))
            value = b"" if described.number in children or described.cpp_type != described.CPPTYPE_INT64 else b"\x01"
            wire = VARINT if value else MESSAGE
            check_self_contained(message(*path, tail=field(described.number, wire, value)))


def ways_to(kind: str, start: str = "ModelProto", longest: int = 6) -> Iterator[tuple[int, ...]]:
    if start == kind:
        yield ()
    elif longest:
        for of, child in CHILDREN[start].items():
            yield from ((of, *path) for path in ways_to(kind, child, longest - 1))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(message(7, 5, tail=EXTERNAL + HERE), id="the last one counts"),
        pytest.param(message(7, 5, tail=field(14, VARINT, number(2**32 + 1))), id="more than 32 bits"),
        pytest.param(message(7, 5, tail=field(14, VARINT, number(2**64 - 1))), id="-1"),
        pytest.param(message(7, 5, tail=field(14, VARINT, number(1, 8))), id="a long 1"),
        pytest.param(message(7, 5, tail=field(14, VARINT, number(7))), id="no such place"),
        pytest.param(message(7, 5, tail=field(14, FIXED_32, b"\x01\0\0\0")), id="another wire type"),
        pytest.param(message(7, 5, tail=field(13, MESSAGE, b"")), id="an empty entry"),
        pytest.param(message(7, tail=b"") + message(7, 5, tail=LOCATION), id="a second graph"),
        pytest.param(message(7, 1, tail=message(5, 5, tail=b"") + message(5, 5, tail=EXTERNAL)), id="merged"),
    ],
)
def test_what_parsers_might_take_for_it_is_refused_as_it(model: bytes) -> None:
    assert parsed(model) is not None
    with pytest.raises(UnsafeModelError):
        check_self_contained(model)


@pytest.mark.parametrize("padding", [1, 2, 3])
@pytest.mark.parametrize("place", range(3))
def test_numbers_that_are_longer_than_need_be_hide_nothing(padding: int, place: int) -> None:
    paddings = [padding if place == index else 0 for index in range(3)]
    tensor = field(5, MESSAGE, field(13, MESSAGE, field(1, MESSAGE, b"location"), paddings[0]), paddings[1])
    model = field(7, MESSAGE, tensor, paddings[2])
    found = parsed(model)
    assert found is None or refers_elsewhere(found)
    with pytest.raises((UnsafeModelError, IncompatibleError)):
        check_self_contained(model)


@pytest.mark.parametrize(
    ("model", "got"),
    [
        pytest.param(number(7 << 3 | GROUP) + number(7 << 3 | END_GROUP), "field 7", id="group"),
        pytest.param(number(2 << 3 | GROUP) + number(2 << 3 | END_GROUP), "wire type 3", id="group in a text's place"),
        pytest.param(field(7, VARINT, b"\x00"), "field 7", id="a graph that is a number"),
        pytest.param(field(0, VARINT, b"\x00"), "field 0", id="field 0"),
        pytest.param(field(2**29 - 1, MESSAGE, LOCATION), "field 536870911", id="an unknown field"),
        pytest.param(message(7, 9, tail=LOCATION), "field 9 of a GraphProto", id="an unknown field of a graph"),
        pytest.param(field(2, 6, b""), "wire type 6", id="no wire type"),
        pytest.param(b"\x3a\x05\x2a\x10", "end of the file", id="longer than what is around it"),
        pytest.param(b"\x12\x05abcd", "end of the file", id="cut off"),
        pytest.param(b"\x08\xff", "end of the file", id="a number that is cut off"),
        pytest.param(b"\x08" + b"\xff" * 11 + b"\x01", "64 bits", id="a number of 84 bits"),
        pytest.param(b"\xff\xff\xff\xff\x7f", "longer than need be", id="a key of 35 bits"),
        pytest.param(b"\x80", "cut off", id="half a key"),
        pytest.param(b"\x09\x00", "end of the file", id="half a double"),
    ],
)
def test_what_is_no_onnx_is_refused(model: bytes, got: str) -> None:
    with pytest.raises(IncompatibleError, match=got):
        check_self_contained(model)


def test_nesting_and_numbers_are_bounded() -> None:
    subgraph = (1, 5, 6)
    check_self_contained(message(7, *subgraph * 30, tail=b""))
    with pytest.raises(IncompatibleError):
        check_self_contained(message(7, *subgraph * (MAX_DEPTH // 3 + 1), tail=b""))
    with pytest.raises(IncompatibleError):
        check_self_contained(b"\x08\x01" * (MAX_FIELDS + 1))


def test_names_may_be_any() -> None:
    names = ["location", "location_head.weight", "external_data", "data_location"]
    weights = [numpy_helper.from_array(np.frombuffer(b"location" * 4, np.float32), name) for name in names]
    graph = helper.make_graph([], "location", [], [], weights, doc_string="location")
    check_self_contained(helper.make_model(graph, producer_name="location").SerializeToString())


@st.composite
def written(draw: st.DrawFn, kind: str, depth: int) -> bytes:
    """A message as a hostile writer might put it: fields of onnx and others, in any order, twice, oddly long."""
    found = b""
    for _ in range(draw(st.integers(0, 4))):
        children = CHILDREN[kind] if depth else {}
        numbers = [*children] * 3 + ([13, 14] if kind == "TensorProto" else []) + [2, 4, 8, 9, 99]
        of, padding = draw(st.sampled_from(numbers)), draw(st.sampled_from([0] * 12 + [1, 4]))
        if of in children and draw(st.integers(0, 9)):
            value = draw(written(children[of], depth - 1))
            found += field(of, MESSAGE, value, padding)
            continue
        wire = draw(st.sampled_from([VARINT, MESSAGE, FIXED_32, FIXED_64, GROUP]))
        text = draw(st.sampled_from([b"", b"location", LOCATION, EXTERNAL, message(5, tail=LOCATION)]))
        if wire == VARINT:
            value = number(draw(st.sampled_from([0, 1, 2, 2**31, 2**32, 2**32 + 1, 2**63])), padding)
        elif wire == GROUP:
            value = text + number(of << 3 | END_GROUP)
        else:
            value = {FIXED_32: struct.pack("<I", 1), FIXED_64: struct.pack("<Q", 1), MESSAGE: text}[wire]
        found += field(of, wire, value, padding)
    return found


@settings(max_examples=400, deadline=None)
@given(written("ModelProto", 6), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=2))
def test_whatever_onnx_takes_for_external_is_refused(model: bytes, flips: list[tuple[int, int]]) -> None:
    hostile = bytearray(model)
    for place, byte in flips:
        if place < len(hostile):
            hostile[place] = byte
    for one in (model, bytes(hostile)):
        found = parsed(one)
        if found is not None and refers_elsewhere(found):
            assert is_refused(one)
        else:
            is_refused(one)  # refused or not, there is no other error


@settings(max_examples=200, deadline=None)
@given(written("ModelProto", 6))
def test_what_onnx_itself_writes_is_refused_for_external_data_alone(model: bytes) -> None:
    found = parsed(model)
    if found is not None:
        found.DiscardUnknownFields()
        assert is_refused(found.SerializeToString()) == refers_elsewhere(found)
