"""What tests of kernels draw: sizes around vectors, tiles and segments, and values."""

import numpy as np
from hypothesis import strategies as st

from tests.native.kernels.table import Floats

WIDTHS = st.one_of(st.integers(1, 200), st.sampled_from([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 160, 257]))
CHANNELS = st.integers(1, 19)
SEEDS = st.integers(0, 2**16)
BEHIND = st.booleans()


class Chance:
    """Normal values from a seed."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)

    def floats(self, *shape: int) -> Floats:
        return self._numbers.normal(size=shape).astype(np.float32)


def same_bits(found: list[Floats]) -> Floats:
    """What all instruction sets found."""
    assert len({one.tobytes() for one in found}) == 1, "other bits on another instruction set"
    return found[0]
