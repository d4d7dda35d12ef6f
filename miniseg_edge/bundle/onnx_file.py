"""What an ONNX file may not do where it is run, told by a walk through its fields: no parser of a vendor's, no onnx.

ONNX is Protocol Buffers (`protobuf`), described by onnx/onnx.proto. Parsers merge fields that come twice, skip those
that they do not know, and take numbers that are longer than need be. The walk looks at every field where it stands,
and refuses the other two.
"""

from miniseg_edge.bundle.protobuf import MESSAGE, VARINT, after, number, refuse
from miniseg_edge.errors import UnsafeModelError

MAX_DEPTH = 100
"""Messages within each other; Protocol Buffers' own limit."""

MAX_FIELDS = 2_000_000
"""A network of ours has some 30,000; each takes 1 us or less."""

_TENSOR = "TensorProto"
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14

_MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: _TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        **{5: _TENSOR, 10: _TENSOR, 6: "GraphProto", 11: "GraphProto"},
        **{22: "SparseTensorProto", 23: "SparseTensorProto"},
    },
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
"""Fields in which there may be tensors, and what they hold."""

_OTHERS: dict[str, frozenset[int]] = {
    "ModelProto": frozenset({*range(1, 7), 8, 14, 26}),
    "TrainingInfoProto": frozenset({3, 4}),
    "FunctionProto": frozenset({1, 4, 5, 6, 8, 9, 10, 12, 13, 14}),
    "GraphProto": frozenset({2, 10, 11, 12, 13, 14, 16}),
    "NodeProto": frozenset({1, 2, 3, 4, 6, 7, 8, 9, 10}),
    "AttributeProto": frozenset({1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20, 21}),
    "SparseTensorProto": frozenset({3}),
    _TENSOR: frozenset({*range(1, 13), 16}),
}
"""Fields in which there are none, up to ONNX 1.23: numbers, texts, types, weights."""


def check_self_contained(model: bytes) -> None:
    """Refuses a model that reads other files: they are in nobody's manifest, and may lie anywhere.

    A vendor looks for them in the working directory when it is handed bytes. A tensor that has the field for it is
    refused, whether it is said to be used or not.

    Raises:
        UnsafeModelError: a tensor refers to external data.
        IncompatibleError: no ONNX: cut off, fields that ONNX does not have, nested too deep, too many.
    """
    position = fields = 0
    within = [("ModelProto", len(model))]
    while within:
        kind, end = within[-1]
        if position == end:
            within.pop()
            continue
        fields += 1
        key, position = number(model, position, end)
        field, wire = key >> 3, key & 7
        if kind == _TENSOR and field in (_EXTERNAL_DATA, _DATA_LOCATION):
            position = _after_location(model, position, end, field, wire)
        elif field in _MESSAGES[kind]:
            if wire != MESSAGE or len(within) == MAX_DEPTH or fields > MAX_FIELDS:
                refuse(f"field {field} of a {kind}")
            size, position = number(model, position, end)
            if size > end - position:
                refuse("the end of the file")
            within.append((_MESSAGES[kind][field], position + size))
        elif field in _OTHERS[kind] and fields <= MAX_FIELDS:
            position = after(model, position, end, wire)
        else:
            refuse(f"field {field} of a {kind}")


def _after_location(model: bytes, position: int, end: int, field: int, wire: int) -> int:
    """Behind a tensor's field that says where its data lies, which may only be: here."""
    behind = after(model, position, end, wire)
    if field == _DATA_LOCATION and wire == VARINT and not any(digit & 0x7F for digit in model[position:behind]):
        return behind
    raise UnsafeModelError(
        "the ONNX refers to external data", expected="one file", got="a tensor that lies elsewhere",
        remedy="Export it again with miniseg-export.",
    )  # fmt: skip
