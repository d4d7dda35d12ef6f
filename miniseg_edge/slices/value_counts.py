"""Counts of a slice's values, so that a study of any size can be judged without keeping it in memory.

The counts of slices add up to those of their volume.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BIN_HU = 8
LOW_HU, HIGH_HU = -32768, 32768
"""Values outside are counted in the outermost bins."""

SAMPLED_PIXELS = 2**14
"""Minimum sample of a slice, evenly spread: 512 x 512 uses every fourth pixel of every fourth row."""

MAX_FEW = 32
"""Up to this many different values are remembered individually; real slices have hundreds."""

_BINS = (HIGH_HU - LOW_HU) // BIN_HU
_BODY_HU = -300.0
_LUNG_HU = (-950.0, -500.0)

Values = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Counts of one slice, or of many together.

    Attributes:
        slices: how many.
        low, high: the lowest and the highest value.
        bins: (8192,) int64, sampled pixels in steps of `BIN_HU` from `LOW_HU`.
        few: every value that occurs, if there are at most `MAX_FEW`; otherwise None.
        whole: whether the sampled values are integers.
        inside: sampled pixels inside a body: with values above -300 in all four directions.
        lung: of these, pixels as dark as lungs, -950..-500.
    """

    slices: int
    low: float
    high: float
    bins: npt.NDArray[np.int64]
    few: frozenset[float] | None
    whole: bool
    inside: int
    lung: int

    def __add__(self, other: ValueCounts) -> ValueCounts:
        few = None if self.few is None or other.few is None else self.few | other.few
        return ValueCounts(
            slices=self.slices + other.slices,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            bins=self.bins + other.bins,
            few=None if few is None or len(few) > MAX_FEW else few,
            whole=self.whole and other.whole,
            inside=self.inside + other.inside,
            lung=self.lung + other.lung,
        )


def counted(values: Values, *, lungs: bool = False) -> ValueCounts:
    """Counts a slice.

    Args:
        values: (H, W) or (H, W, C), any integer or floating dtype, finite.
        lungs: whether to compute `inside` and `lung`, which takes as long as the rest; otherwise they are 0.
    """
    step = max(1, math.isqrt(values.shape[0] * values.shape[1] // SAMPLED_PIXELS))
    sample = np.ascontiguousarray(values[::step, ::step], np.float32)
    index = np.clip(np.floor(sample * np.float32(1 / BIN_HU)), LOW_HU // BIN_HU, HIGH_HU // BIN_HU - 1)
    bins = np.bincount(index.astype(np.int64).ravel() - LOW_HU // BIN_HU, minlength=_BINS)
    lung, inside = _inside(sample.reshape(*sample.shape[:2], -1)[::2, ::2, 0]) if lungs else (0, 0)
    return ValueCounts(
        slices=1,
        low=float(values.min()),
        high=float(values.max()),
        bins=bins,
        few=_few(values, sample) if np.count_nonzero(bins) <= MAX_FEW else None,
        whole=bool((sample == np.rint(sample)).all()),
        inside=inside,
        lung=lung,
    )


def _few(values: Values, sample: npt.NDArray[np.float32]) -> frozenset[float] | None:
    """A sample may miss a small label, so if it has few values, the whole slice is searched."""
    if len(np.unique(sample)) > MAX_FEW:
        return None
    found = np.unique(values)
    return None if len(found) > MAX_FEW else frozenset(map(float, found))


def _inside(values: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Pixels of a slice (H, W) that are inside the body and as dark as lungs, and all pixels inside."""
    body = values > _BODY_HU
    reach = np.logical_or.accumulate
    inside = reach(body, 0) & reach(body[::-1], 0)[::-1] & reach(body, 1) & reach(body[:, ::-1], 1)[:, ::-1]
    lung = inside & (values >= _LUNG_HU[0]) & (values < _LUNG_HU[1])
    return int(np.count_nonzero(lung)), int(np.count_nonzero(inside))


class Tally:
    """Counts of a study's slices, each once, in whatever order they are read. Thread-safe.

    Args:
        is_odd: called for each slice; by default none is odd.
    """

    def __init__(self, is_odd: Callable[[ValueCounts], bool] = lambda counts: False) -> None:
        self._lock = threading.Lock()
        self._is_odd = is_odd
        self._counted: set[int] = set()
        self._odd: set[int] = set()
        self._total: ValueCounts | None = None

    def add(self, index: int, values: Values) -> None:
        """Counts slice `index`, as `counted` takes it, unless it was counted before."""
        counts = counted(values, lungs=True)
        odd = self._is_odd(counts)
        with self._lock:
            if index not in self._counted:
                self._counted.add(index)
                self._odd |= {index} if odd else set()
                self._total = counts if self._total is None else self._total + counts

    def missing(self, slices: int) -> list[int]:
        """Which slices were not counted yet."""
        with self._lock:
            return [index for index in range(slices) if index not in self._counted]

    @property
    def odd(self) -> tuple[int, ...]:
        """The slices that are odd by themselves, in order."""
        with self._lock:
            return tuple(sorted(self._odd))

    @property
    def total(self) -> ValueCounts:
        """The sum of all counts; requires at least one slice."""
        with self._lock:
            assert self._total is not None  # noqa: S101  callers have counted a slice
            return self._total
