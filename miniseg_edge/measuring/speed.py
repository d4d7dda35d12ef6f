"""The speed ratio of two things measured in paired rounds, and whether it is more than noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.998
"""Confidence of an interval. It is high because a choice looks at several intervals, each more than once."""


@dataclass(frozen=True)
class Speed:
    """One thing's speed relative to another's: above 1 is faster.

    Attributes:
        ratio: the median of the rounds' ratios.
        low, high: the confidence interval of that median; 0 and infinity if there are too few rounds.
    """

    ratio: float
    low: float
    high: float

    @property
    def faster(self) -> bool:
        """Whether the whole interval is above 1."""
        return self.low > 1.0

    @property
    def within_noise(self) -> bool:
        """Whether the interval contains 1: then the rounds do not show a difference."""
        return self.low <= 1.0 <= self.high

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f} to {self.high:.2f})"


def speed(base: Sequence[float], own: Sequence[float]) -> Speed:
    """Only compares measurements within one round, because the machine's state is similar then.

    Args:
        base: the baseline's times, round by round, in any unit.
        own: the times of this one, in the same rounds.

    The interval is that of the sign test: its ends are two of the sorted ratios, and it makes no assumption about the
    distribution of noise. Source: Conover, "Practical Nonparametric Statistics", 1999, section 3.2.
    """
    ratios = sorted(a / b for a, b in zip(base, own, strict=True))
    count, outside = len(ratios), _outside(len(ratios))
    middle = (ratios[(count - 1) // 2] + ratios[count // 2]) / 2 if ratios else 1.0
    if not outside:
        return Speed(middle, 0.0, math.inf)
    return Speed(middle, ratios[outside - 1], ratios[-outside])


def _outside(count: int) -> int:
    """Index at which the interval of the median starts, from each end of `count` sorted values; 0 if there is none."""
    allowed, tail, found = (1 - CONFIDENCE) / 2, 0.0, 0
    for below in range(count):
        tail += math.comb(count, below) / 2**count
        if tail > allowed:
            break
        found = below + 1
    return found
