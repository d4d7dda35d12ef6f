"""Plans for libminiseg. The fuzzer does not see into C++: it changes plans blindly, and so they are kept small."""

import contextlib
import struct

import numpy as np
import numpy.typing as npt

from miniseg_edge.native.binding import InstructionSet, Model, instruction_sets
from miniseg_edge.native.plan_file import MAGIC, VERSION
from miniseg_edge.native.structures import NativeError

SIZE = (5, 7)
MAX_MEMORY = 2**28
_VERSION_AT, _SIZE_AT = 8, 96


def plan(data: bytes) -> None:
    """A plan as it comes, and with the beginning and the size that belong to it; what opens gives the same everywhere.

    No weights, however odd, may tell one instruction set from another.
    """
    for one in (data, _put_right(data)):
        with contextlib.suppress(NativeError):
            found = [_logits(one, instructions) for instructions in instruction_sets()]
            for other in found[1:]:
                np.testing.assert_array_equal(other, found[0])


def _logits(data: bytes, instructions: InstructionSet) -> npt.NDArray[np.float32]:
    with Model(data, instructions) as model, model.context(SIZE, 2, MAX_MEMORY) as context:
        channels, (height, width) = model.description.channels, SIZE
        slice_ = np.arange(channels * height * width, dtype=np.uint8).reshape(channels, height, width)
        found = context.logits(slice_)
    assert found.shape == (model.description.classes - 1, *SIZE)
    return found


def _put_right(data: bytes) -> bytes:
    if len(data) < _SIZE_AT + 8:
        return data
    whole = bytearray(data)
    whole[:_VERSION_AT] = MAGIC
    struct.pack_into("<I", whole, _VERSION_AT, VERSION)
    struct.pack_into("<Q", whole, _SIZE_AT, len(whole))
    return bytes(whole)
