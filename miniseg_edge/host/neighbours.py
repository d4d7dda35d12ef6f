"""2.5-D: a slice of a study between its two neighbours, as three channels."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

CHANNELS = 3
"""The one before, the slice, the one after it."""

_KEPT = 32
"""Number of cached slices: more than are in flight, so that in order each is read once."""

_Pixel = TypeVar("_Pixel", bound=np.generic)


def with_neighbours(read: Callable[[int], npt.NDArray[_Pixel]], count: int) -> Callable[[int], npt.NDArray[_Pixel]]:
    """Turns a function that reads slice `index` (H, W) into one that returns (H, W, 3).

    At the ends, a slice replaces its missing neighbour.

    Args:
        read: called for a slice and its neighbours; from several threads, if the result is.
        count: of the slices.
    """
    kept = lru_cache(maxsize=_KEPT)(read)

    def between(index: int) -> npt.NDArray[_Pixel]:
        before, after = max(0, index - 1), min(count - 1, index + 1)
        return np.stack([kept(before), kept(index), kept(after)], axis=-1)

    return between
