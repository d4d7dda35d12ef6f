"""Frozen dataclasses to and from JSON, strictly: the only reader and writer of our file formats."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from miniseg_edge.errors import BundleError, MiniSegError

Record = TypeVar("Record")

MAX_DEPTH = 16
"""Maximum nesting of our files; hostile files nest until the parser's stack overflows."""


def json_from_record(record: object) -> str:
    """Indented JSON of a dataclass; keys in the order of its fields."""
    return json.dumps(dataclasses.asdict(record), indent=2, allow_nan=False) + "\n"  # type: ignore[call-overload]


def object_from_json(data: bytes, what: str, error: type[MiniSegError] = BundleError) -> dict[str, Any]:
    """Parses a JSON object without trusting it: UTF-8, no duplicate keys, no NaN, bounded depth.

    Raises:
        error: anything else.
    """
    try:
        text = data.decode("utf-8")
        if _depth(text) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_small_int)
    except ValueError as reason:
        raise error(f"{what} is not valid JSON", expected="UTF-8 JSON, each key once", because=str(reason)) from reason
    if not isinstance(found, dict):
        raise error(f"{what} is not valid", expected="a JSON object", got=type(found).__name__)
    return found


def record_from_object(kind: type[Record], value: object, what: str, error: type[MiniSegError] = BundleError) -> Record:
    """A dataclass from parsed JSON; every field must be there with its declared type, and no other.

    Raises:
        error: names the place and the expected value.
    """
    record: Record = _converted(kind, value, what, error)
    return record


def _converted(kind: Any, value: object, where: str, error: type[MiniSegError]) -> Any:  # noqa: PLR0911  a case a line
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where, error)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _converted(next(a for a in arguments if a is not type(None)), value, where, error)
    if origin is tuple and isinstance(value, list):
        return _tuple(arguments, value, where, error)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _converted(arguments[1], item, f"{where}.{key}", error) for key, item in value.items()}
    if kind is float and type(value) in (int, float):
        return _finite(value, where, error)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    if kind is object:
        return _open(value, where, error)
    raise error(f"{where} has a wrong type", expected=getattr(kind, "__name__", str(kind)), got=type(value).__name__)


def _dataclass(kind: Any, value: object, where: str, error: type[MiniSegError]) -> Any:
    if not isinstance(value, dict):
        raise error(f"{where} has a wrong type", expected="an object", got=type(value).__name__)
    hints = typing.get_type_hints(kind)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    missing, unknown = fields.keys() - value.keys(), value.keys() - fields.keys()
    if missing or unknown:
        raise error(
            f"{where} has wrong fields",
            expected=f"exactly {', '.join(fields)}",
            got=(
                f"missing: {', '.join(sorted(missing)) or 'none'}; unknown: "
                f"{', '.join(sorted(unknown))[:200] or 'none'}"
            ),
        )
    arguments = {name: _converted(hint, value[name], f"{where}.{name}", error) for name, hint in fields.items()}
    try:
        return kind(**arguments)
    except ValueError as reason:
        raise error(f"{where} is invalid", expected=str(reason)) from reason


def _tuple(arguments: tuple[Any, ...], value: list[object], where: str, error: type[MiniSegError]) -> tuple[Any, ...]:
    kinds = (arguments[0],) * len(value) if arguments[-1] is Ellipsis else arguments
    if len(kinds) != len(value):
        raise error(f"{where} has a wrong length", expected=f"{len(kinds)} items", got=f"{len(value)}")
    return tuple(
        _converted(kind, item, f"{where}[{i}]", error) for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _open(value: object, where: str, error: type[MiniSegError]) -> object:
    """Any JSON value, for open-ended fields, which are kept unchanged."""
    if isinstance(value, dict):
        return {key: _open(item, f"{where}.{key}", error) for key, item in value.items()}
    if isinstance(value, list):
        return [_open(item, f"{where}[{index}]", error) for index, item in enumerate(value)]
    return _finite(value, where, error) if isinstance(value, float) else value


def _finite(value: Any, where: str, error: type[MiniSegError]) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise error(f"{where} is not finite", expected="a finite number", got=str(value))
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _small_int(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError("an integer has too many digits")
    return int(digits)


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
