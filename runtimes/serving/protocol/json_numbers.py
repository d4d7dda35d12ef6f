"""Reads a tensor's JSON numbers block by block.

`json` would make an object of each number, and hold the interpreter lock until the last one is read. Here every step is
short, and memory is limited to the text and the array.
"""

import json
import re
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from miniseg_edge.errors import RequestError
from miniseg_edge.runtimes.serving.protocol.tensors import DTYPES, Array, elements_of

_CODES = {"UINT8": "B", "INT16": "h", "FP32": "d"}
"""Of the standard library's arrays, which check each number and are made in a fraction of NumPy's time."""

_BLOCK = 2**14
"""Bytes of text that are read per step."""

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789+-.eE"
_KEY = re.compile(rb'(?<!\\)"data"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_NOT_NUMBERS = re.compile(rb"[^0-9+\-.eE,\[\] \t\r\n]")
_NESTED = re.compile(rb"\[[ \t\r\n]*\[")
_SPLIT_NUMBER = re.compile(rb"[0-9+\-.eE][ \t\r\n]+[0-9+\-.eE]")
_NUMBER_BESIDE_LIST = re.compile(rb"\][0-9+\-.eE\[]|[0-9+\-.eE\]]\[")


def without_numbers(document: bytes) -> tuple[bytes, bytes | None]:
    """A JSON document with null instead of its first `"data": [...]`, and the text of that list.

    Only a list that looks like numbers is removed; otherwise the document is returned unchanged. A quotation mark
    inside a string has a backslash before it, so a match is a key: the document is JSON if both parts are.
    """
    if (key := _KEY.search(document)) is None:
        return document, None
    start, end = key.end(), len(document)
    for first in range(start, len(document), _BLOCK):
        if (other := _NOT_NUMBERS.search(document, first, first + _BLOCK)) is not None:
            end = other.start()
            break
    numbers = document[start:end].rstrip(_SPACE + b",")
    if not numbers.endswith(b"]"):
        return document, None
    return document[:start] + b"null" + document[start + len(numbers) :], numbers


def array_from_numbers(text: bytes, datatype: str, shape: tuple[int, ...]) -> Array:
    """A tensor from a JSON list of numbers, flat or nested like its shape. Raises: RequestError."""
    count, dtype = elements_of(shape), DTYPES[datatype]
    if count > len(text):
        raise _wrong_shape(shape)
    skeleton = _skeleton(shape if _NESTED.match(text) else (count,))
    found, filled, compared = np.empty(count, dtype.newbyteorder("=")), 0, 0
    for piece in _pieces(text):
        dense = piece.translate(None, _SPACE)
        if len(dense) != len(piece) and _SPLIT_NUMBER.search(piece):
            raise _no_json()
        lists = dense.translate(None, _DIGITS)
        if lists != skeleton[compared : compared + len(lists)]:
            raise _wrong_shape(shape)
        if (b"[" in dense or b"]" in dense) and _NUMBER_BESIDE_LIST.search(dense):
            raise _no_json()
        numbers = _numbers(dense.translate(None, b"[]").removesuffix(b","), datatype)
        if filled + len(numbers) > count:
            raise _wrong_shape(shape)
        found[filled : filled + len(numbers)] = numbers
        filled, compared = filled + len(numbers), compared + len(lists)
    if filled != count or compared != len(skeleton):
        raise _wrong_shape(shape)
    return found.reshape(shape)


def _pieces(text: bytes) -> Iterator[bytes]:
    """The text in blocks that end with a comma, except the last."""
    start = 0
    while start < len(text):
        end = text.find(b",", start + _BLOCK, start + 2 * _BLOCK) + 1
        if end == 0:
            if len(text) - start > 2 * _BLOCK:
                raise RequestError("a number is too long", expected="numbers", got="a long text")
            end = len(text)
        yield text[start:end]
        start = end


def _numbers(text: bytes, datatype: str) -> np.ndarray[Any, Any]:
    """Numbers with commas between them, checked against the datatype."""
    try:
        values = json.loads(b"[" + text + b"]")
        found = np.frombuffer(array(_CODES[datatype], values), _CODES[datatype])
    except (TypeError, OverflowError):
        if datatype == "FP32":
            raise _no_json() from None
        limits = np.iinfo(DTYPES[datatype])
        raise RequestError(
            "a tensor has values outside its datatype",
            expected=f"{limits.min}..{limits.max}, {datatype}",
            got="other values",
        ) from None
    except ValueError:
        raise _no_json() from None
    if datatype == "FP32":
        with np.errstate(over="ignore"):  # an infinity, which no slice may contain
            return found.astype(np.float32)
    return found


def _skeleton(shape: tuple[int, ...]) -> bytes:
    """Brackets and commas of a list of that shape."""
    part = b"[" + b"," * (shape[-1] - 1) + b"]"
    for side in reversed(shape[:-1]):
        part = b"[" + b",".join([part] * side) + b"]"
    return part


def _no_json() -> RequestError:
    return RequestError(
        "a tensor's data are not valid JSON", expected="numbers with commas between them", got="something else"
    )


def _wrong_shape(shape: tuple[int, ...]) -> RequestError:
    return RequestError(
        "a tensor's data do not fit its shape", expected=f"a list of {shape}, or flat", got="another list"
    )
