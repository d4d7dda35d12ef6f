"""The protocol's tensors as arrays: from bytes, with exactly the elements of their shape."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import RequestError

Array = npt.NDArray[np.generic]

DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "INT16": np.dtype("<i2"), "FP32": np.dtype("<f4")}
"""The protocol's datatypes for slices; binary tensors are little-endian."""

_MAX_ELEMENTS = 2**40
"""Above any request's, and small enough that no product of sides needs more than 64 bits."""


def elements_of(shape: tuple[int, ...]) -> int:
    """Number of elements. Raises: RequestError if sides are below 1 or too large."""
    count = math.prod(shape)
    if not all(0 < side <= _MAX_ELEMENTS for side in shape) or count > _MAX_ELEMENTS:
        raise RequestError("a tensor's shape is invalid", expected="sides of 1 and more", got=str(shape)[:200])
    return count


def array_from_bytes(data: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """A binary tensor: row by row, without padding; it shares `data`'s memory. Raises: RequestError."""
    wanted = elements_of(shape) * DTYPES[datatype].itemsize
    if len(data) != wanted:
        raise RequestError(
            "a binary tensor has a wrong size", expected=f"{wanted} bytes for {shape} {datatype}", got=f"{len(data)}"
        )
    found = np.frombuffer(data, DTYPES[datatype]).reshape(shape)
    return found.astype(found.dtype.newbyteorder("="), copy=False)
