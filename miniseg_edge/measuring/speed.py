"""How many times as fast one thing is as another, from turns taken in pairs, and whether that is more than noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.998
"""Of an interval. High, because a choice looks at several intervals, and at each of them more than once."""


@dataclass(frozen=True)
class Speed:
    """One thing's speed over another's: above 1 is faster.

    Attributes:
        ratio: the median of the rounds' ratios.
        low, high: the interval of that median; 0 and infinity where there are too few rounds for one.
    """

    ratio: float
    low: float
    high: float

    @property
    def faster(self) -> bool:
        """Whether the whole interval lies above 1."""
        return self.low > 1.0

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds 1: then the turns do not show that the two differ."""
        return self.low <= 1.0 <= self.high

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f} to {self.high:.2f})"


def speed(base: Sequence[float], own: Sequence[float]) -> Speed:
    """Of the turns of one round only, because neighbours in time share the machine's mood.

    Args:
        base: what the other took, round by round, in any unit.
        own: what this one took in the same rounds.

    The interval is that of the sign test: its ends are two of the sorted ratios, and it assumes nothing of how noise is
    distributed. Source: Conover, "Practical Nonparametric Statistics", 1999, section 3.2.
    """
    ratios = sorted(a / b for a, b in zip(base, own, strict=True))
    count, outside = len(ratios), _outside(len(ratios))
    middle = (ratios[(count - 1) // 2] + ratios[count // 2]) / 2 if ratios else 1.0
    if not outside:
        return Speed(middle, 0.0, math.inf)
    return Speed(middle, ratios[outside - 1], ratios[-outside])


def _outside(count: int) -> int:
    """How far from each end of `count` sorted values the interval of their median begins; 0 where there is none."""
    allowed, tail, found = (1 - CONFIDENCE) / 2, 0.0, 0
    for below in range(count):
        tail += math.comb(count, below) / 2**count
        if tail > allowed:
            break
        found = below + 1
    return found
