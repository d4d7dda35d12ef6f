"""Writes protobuf text, as far as a model's configuration needs it, without any package."""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias


class Word(str):
    """An enumeration's name, written without quotes."""

    __slots__ = ()


Value: TypeAlias = "str | int | bool | Mapping[str, Value] | Sequence[Value]"


def pbtxt(message: Mapping[str, Value], indent: str = "") -> str:
    """A message, one line per field; a sequence is a repeated field, a mapping a submessage.

    Strings are ASCII here, in which JSON's quotes and escapes are protobuf's as well.
    """
    return "".join(_field(name, value, indent) for name, value in message.items())


def _field(name: str, value: Value, indent: str) -> str:
    if isinstance(value, Mapping):
        return f"{indent}{name} {{\n{pbtxt(value, indent + '  ')}{indent}}}\n"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_field(name, item, indent) for item in value)
    return f"{indent}{name}: {_scalar(value)}\n"


def _scalar(value: str | int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Word | int):
        return str(value)
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"printable ASCII, not {value!r}")
    return json.dumps(value)
