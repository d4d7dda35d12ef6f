"""Checks an ONNX file for references to other files by walking through its fields, without onnx or a vendor's parser.

ONNX is Protocol Buffers (`protobuf`), described by onnx/onnx.proto. Parsers merge repeated fields, skip unknown ones,
and accept overlong numbers. The walk inspects every repeated field, and refuses unknown fields and overlong numbers.
"""

from miniseg_edge.bundle.protobuf import MESSAGE, VARINT, after, number, refuse
from miniseg_edge.errors import UnsafeModelError

MAX_DEPTH = 100
"""Nesting of messages; Protocol Buffers' own limit."""

MAX_FIELDS = 2_000_000
"""Our networks have about 30,000; each takes at most 1 us."""

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
"""Fields that may contain tensors, and their types."""

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
"""Fields that cannot contain tensors, up to ONNX 1.23: numbers, texts, types, weights."""


def check_self_contained(model: bytes) -> None:
    """Refuses a model that reads other files: no manifest lists them, and they may be anywhere.

    Given bytes, a vendor looks for them in the working directory. A tensor with the field is refused even if the field
    is said to be unused.

    Raises:
        UnsafeModelError: a tensor refers to external data.
        IncompatibleError: not ONNX: truncated, unknown fields, nested too deeply, or too many fields.
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
