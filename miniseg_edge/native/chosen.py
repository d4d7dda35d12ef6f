"""The instruction set to run on: the best that library and processor share, or the one that the environment names."""

import os

from miniseg_edge.errors import UsageError
from miniseg_edge.native.binding import InstructionSet, instruction_sets

VARIABLE = "MINISEG_EDGE_INSTRUCTION_SET"
"""`avx2`, `plain`, ...: to measure an older processor's speed. The bits are the same on each."""


def chosen_instruction_set() -> InstructionSet:
    """Of this process.

    Raises:
        UsageError: the variable names an instruction set that is not available here.
        OSError, NativeError: as `library`.
    """
    here = {one.name.lower(): one for one in instruction_sets()}
    name = os.environ.get(VARIABLE, "")
    if not name:
        return max(here.values())
    if name not in here:
        raise UsageError(
            f"{VARIABLE} names an instruction set that this machine does not have", expected=", ".join(here), got=name
        )
    return here[name]
