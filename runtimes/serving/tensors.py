"""The protocol's tensors as arrays: from bytes or JSON, and not one element more or less than their shape says."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import RequestError

Array = npt.NDArray[np.generic]

DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "INT16": np.dtype("<i2"), "FP32": np.dtype("<f4")}
"""The protocol's names of datatypes that slices come in; binary tensors are little-endian."""

_MAX_ELEMENTS = 2**40
"""Above any request's, and so that no product of sides needs more than 64 bits."""


def elements_of(shape: tuple[int, ...]) -> int:
    """How many a tensor has. Raises: RequestError, sides below 1 or absurd."""
    count = math.prod(shape)
    if not all(0 < side <= _MAX_ELEMENTS for side in shape) or count > _MAX_ELEMENTS:
        raise RequestError("a tensor's shape makes no sense", "sides of 1 and more", str(shape)[:200])
    return count


def array_from_bytes(data: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """A binary tensor: row by row, without padding; it shares `data`'s memory. Raises: RequestError."""
    wanted = elements_of(shape) * DTYPES[datatype].itemsize
    if len(data) != wanted:
        raise RequestError("a binary tensor has a wrong size", f"{wanted} bytes for {shape} {datatype}", f"{len(data)}")
    found = np.frombuffer(data, DTYPES[datatype]).reshape(shape)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def array_from_json(data: object, datatype: str, shape: tuple[int, ...]) -> Array:
    """A tensor written as numbers, flat or nested like its shape. Raises: RequestError."""
    count, dtype = elements_of(shape), DTYPES[datatype]
    nested = isinstance(data, list) and bool(data) and isinstance(data[0], list)
    numbers = list(_numbers(data, shape if nested else (count,)))
    # NumPy alone decides on a common type: of one long string and many short ones it makes an array of long ones.
    kinds = {int, float} if dtype.kind == "f" else {int}
    if {type(number) for number in numbers} - kinds:
        raise RequestError("a tensor holds something else than its datatype", datatype, "other values")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # an infinity, which no slice may hold
            return np.array(numbers, np.float64).astype(np.float32).reshape(shape)
    limits = np.iinfo(dtype)
    if not (limits.min <= min(numbers) and max(numbers) <= limits.max):
        raise RequestError(
            "a tensor holds something else than its datatype", f"{limits.min}..{limits.max}, {datatype}", "other values"
        )
    return np.array(numbers, dtype.newbyteorder("=")).reshape(shape)


def _numbers(data: object, shape: tuple[int, ...]) -> Iterator[Any]:
    """The innermost values, one by one; each list must be as long as its side."""
    if not isinstance(data, list) or len(data) != shape[0]:
        got = f"{len(data)} values" if isinstance(data, list) else type(data).__name__
        raise RequestError("a tensor's data do not fit its shape", f"a list of {shape[0]}", got)
    if len(shape) == 1:
        yield from data
        return
    for part in data:
        yield from _numbers(part, shape[1:])
