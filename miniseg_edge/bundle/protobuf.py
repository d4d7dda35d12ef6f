"""Protocol Buffers as bytes: https://protobuf.dev/programming-guides/encoding/.

A message is a sequence of fields, each with a number, a wire type and a value. Parsers accept overlong numbers; here
they are refused.
"""

from typing import NoReturn

from miniseg_edge.errors import IncompatibleError

VARINT, FIXED_64, MESSAGE, FIXED_32 = 0, 1, 2, 5
"""Wire types. The other two, groups, are obsolete."""

_MAX_DIGITS, _MAX_NUMBER_DIGITS = 10, 5
"""Bytes of the longest value, and of the longest field number or length."""


def after(model: bytes, position: int, end: int, wire: int) -> int:
    """The position after a field's value. Raises: IncompatibleError."""
    if wire == MESSAGE:
        size, position = number(model, position, end)
        position += size
    elif wire == VARINT:
        last = position + _MAX_DIGITS
        while position < end and model[position] & 0x80:
            position += 1
        position += 1
        if position > last:
            refuse("a value of more than 64 bits")
    elif wire in (FIXED_32, FIXED_64):
        position += 4 if wire == FIXED_32 else 8
    else:
        refuse(f"wire type {wire}")
    if position > end:
        refuse("the end of the file")
    return position


def number(model: bytes, position: int, end: int) -> tuple[int, int]:
    """A field's number or length, at most 32 bits and not overlong; and the position after it."""
    found = shift = 0
    for place in range(position, min(position + _MAX_NUMBER_DIGITS, end)):
        digit = model[place]
        found |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            if found >= 2**32 or (digit == 0 and place > position):
                break
            return found, place + 1
    refuse("a number that is cut off, or longer than need be")


def integer(model: bytes, position: int, end: int) -> tuple[int, int]:
    """A signed 64-bit integer, as parsers read it; and the position after it. Raises: IncompatibleError."""
    behind = after(model, position, end, VARINT)
    found = 0
    for shift, digit in enumerate(model[position:behind]):
        found |= (digit & 0x7F) << 7 * shift
    found &= 2**64 - 1
    return found - 2**64 if found >= 2**63 else found, behind


def refuse(got: str) -> NoReturn:
    """Raises: IncompatibleError."""
    raise IncompatibleError("the onnx artefact is not an ONNX", expected="fields of onnx.proto", got=got)
