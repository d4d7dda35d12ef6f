"""The instruction set that runs: the best that library and processor have, or the one that the environment names."""

import os

from miniseg_edge.errors import UsageError
from miniseg_edge.native.binding import InstructionSet, instruction_sets

VARIABLE = "MINISEG_EDGE_INSTRUCTION_SET"
"""`avx2`, `plain`, ...: to measure what an older processor would give. Bits are the same on each."""


def chosen_instruction_set() -> InstructionSet:
    """Of this process.

    Raises:
        UsageError: the variable names none that is here.
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
