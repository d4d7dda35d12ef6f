"""Whatever the bytes, the readers give a graph or a typed error, and admission does too."""

import contextlib
from functools import cache

import numpy as np
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from miniseg_edge.admission.admission import Admission
from miniseg_edge.admission.ir_graph import MAX_ELEMENTS, graph_from_ir
from miniseg_edge.admission.ir_operators import IR_OPERATORS
from miniseg_edge.admission.onnx_graph import MAX_PARTS, graph_from_onnx
from miniseg_edge.admission.onnx_operators import ONNX_OPERATORS
from miniseg_edge.errors import IncompatibleError, UnsafeModelError
from tests.attacks.models import SHAPE, ir_files, onnx_model

Flips = list[tuple[int, int]]
flips = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=6)


@cache
def model() -> bytes:
    """Of many operators, with shapes that are worked out from the slice's."""
    nodes = [
        helper.make_node("Conv", ["slice", "w"], ["a"], pads=[1, 1, 1, 1], strides=[1, 1], auto_pad="NOTSET"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Shape", ["b"], ["s"]),
        helper.make_node("Gather", ["s", "i"], ["g"], axis=0),
        helper.make_node("Concat", ["one", "g"], ["t"], axis=0),
        helper.make_node("Reshape", ["b", "t"], ["r"]),
        helper.make_node("Resize", ["r", "", "", "sizes"], ["z"], mode="linear"),
        helper.make_node("Slice", ["z", "from", "to"], ["c"]),
        helper.make_node("Split", ["c", "halves"], ["d", "e"], axis=1),
        helper.make_node("Add", ["d", "e"], ["logit"]),
    ]
    numbers = {"i": [1, 2, 3], "one": [1], "sizes": [1, 2, 40, 40], "from": [0, 0, 4, 4], "to": [1, 2, 36, 36]}
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in {**numbers, "halves": [1, 1]}.items()]
    weights.append(numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w"))
    data: bytes = onnx_model(nodes, weights).SerializeToString()
    return data


@cache
def ir() -> tuple[bytes, bytes]:
    return ir_files(openvino.Core().read_model(model()))


def hostile(data: bytes, changes: Flips, cut: int | None) -> bytes:
    found = bytearray(data)
    for place, byte in changes:
        found[place % len(found)] = byte
    return bytes(found if cut is None else found[: cut % len(found)])


def test_untouched_they_are_admitted() -> None:
    Admission(graph_from_onnx(model()), ONNX_OPERATORS).admit(SHAPE)
    Admission(graph_from_ir(*ir()), IR_OPERATORS).admit(SHAPE)


@settings(max_examples=1500, deadline=None)
@given(flips, st.none() | st.integers(0, 2**16))
def test_a_damaged_onnx_is_a_graph_or_a_typed_error(changes: Flips, cut: int | None) -> None:
    with contextlib.suppress(IncompatibleError, UnsafeModelError):
        Admission(graph_from_onnx(hostile(model(), changes, cut)), ONNX_OPERATORS).admit(SHAPE)


@settings(max_examples=1500, deadline=None)
@given(flips, st.none() | st.integers(0, 2**16), st.booleans())
def test_a_damaged_ir_is_a_graph_or_a_typed_error(changes: Flips, cut: int | None, numbers: bool) -> None:
    xml, weights = ir()
    with contextlib.suppress(IncompatibleError, UnsafeModelError):
        graph = graph_from_ir(
            *((xml, hostile(weights, changes, None)) if numbers else (hostile(xml, changes, cut), weights))
        )
        Admission(graph, IR_OPERATORS).admit(SHAPE)


TEXTS = st.sampled_from([
    "", "0", "-1", "1", "2", "?", "1,1", "9" * 18, "9" * 40, "x", "1.5", "-9223372036854775808", "true",
    "\u0661", "opset1", "i64", "f32",
    "Const", "Result", "Parameter", "Concat", "Split", "TopK",
])  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**16), TEXTS), min_size=1, max_size=3))
def test_an_ir_with_other_texts_is_a_graph_or_a_typed_error(edits: list[tuple[int, str]]) -> None:
    """Values of attributes, exchanged for others that might mean something."""
    parts = ir()[0].decode().split('"')
    for place, text in edits:
        parts[2 * (place % (len(parts) // 2)) + 1] = text
    with contextlib.suppress(IncompatibleError, UnsafeModelError):
        Admission(graph_from_ir('"'.join(parts).encode(), ir()[1]), IR_OPERATORS).admit(SHAPE)


@pytest.mark.slow
def test_files_of_many_small_parts_are_refused_before_they_fill_the_memory() -> None:
    empty_nodes = b"\x0a\x00" * (MAX_PARTS + 1)
    numbers = helper.make_node("Relu", ["slice"], ["logit"], n=[7] * (MAX_PARTS + 1))
    graph = helper.make_graph([], "g", [], [], []).SerializeToString() + empty_nodes
    length = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7 & 0x7F | 0x80, len(graph) >> 14])
    for data in (onnx_model([numbers]).SerializeToString(), b"\x3a" + length + graph):
        with pytest.raises(UnsafeModelError, match="parts"):
            graph_from_onnx(data)


@pytest.mark.parametrize("repeated", [b"<a/>", b"<layer/>"])
def test_an_ir_of_many_elements_is_refused_unparsed(repeated: bytes) -> None:
    xml = b'<?xml version="1.0"?><net version="11"><layers>' + repeated * (2 * MAX_ELEMENTS) + b"</layers></net>"
    with pytest.raises(UnsafeModelError, match="elements"):
        graph_from_ir(xml, b"")
