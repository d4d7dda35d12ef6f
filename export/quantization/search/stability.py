"""Does INT8 hang on which slices happened to calibrate it? Integers are fitted again without some of them, ten times.

Each time the masks are judged against FP32's. Where the worst slice's Dice spreads, INT8 of this checkpoint is chance:
the next calibration set, or the next processor's kernels, give another lesion.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from miniseg_edge.errors import UsageError

LIMIT = 0.01
"""The spread of the worst slice's Dice at which INT8 is not safe."""

SUBSETS = 10
DROPPED = 2
LEAST = 2 * DROPPED + 1
"""So many slices have ten pairs."""


@dataclass(frozen=True)
class Stability:
    """What the subsets gave.

    Attributes:
        worst: of each subset, the Dice of its worst slice with FP32; 0..1. At least one.
    """

    worst: tuple[float, ...]

    @property
    def spread(self) -> float:
        """The largest of `worst` less the smallest."""
        return max(self.worst) - min(self.worst)

    @property
    def safe(self) -> bool:
        """Whether the spread is below `LIMIT`."""
        return self.spread < LIMIT

    def __str__(self) -> str:
        return (
            f"the worst slice's Dice is {min(self.worst):.4f} to {max(self.worst):.4f} in {len(self.worst)} subsets of "
            f"the calibration slices, a spread of {self.spread:.4f}; below {LIMIT:g} is safe"
        )


def check_enough(count: int, held_back: int = 0) -> None:
    """Refuses too few calibration slices for `subsets_without`.

    Args:
        count: of different slices that INT8 is calibrated on.
        held_back: how many more there are, on which artefacts are judged.

    Raises:
        UsageError.
    """
    if count < LEAST:
        beside = f", besides {held_back} held back to judge by" if held_back else ""
        more = ", or other slices to judge by with --validation" if held_back else ""
        raise UsageError(
            "there are too few calibration slices to leave some out",
            expected=f"at least {LEAST} different slices",
            got=f"{count}{beside}",
            remedy=f"Add slices to the folder{more}.",
        )


def subsets_without(count: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Which slices each subset leaves out: `SUBSETS` different pairs, drawn from `count` slices.

    No slice is left out twice before each was left out once.

    Raises:
        UsageError: there are too few slices.
    """
    check_enough(count)
    draw = random.Random(seed)  # noqa: S311  no secret
    found: dict[tuple[int, ...], None] = {}
    while len(found) < SUBSETS:
        order = draw.sample(range(count), count)
        pairs = [tuple(sorted(order[first : first + DROPPED])) for first in range(0, count - DROPPED + 1, DROPPED)]
        found |= dict.fromkeys(pairs)
    return tuple(found)[:SUBSETS]


def stability(without: Sequence[Collection[int]], worst_of: Callable[[Collection[int]], float]) -> Stability:
    """Judges each subset.

    Args:
        without: the slices that each subset leaves out.
        worst_of: the worst slice's Dice of integers that were fitted without some slices.
    """
    return Stability(tuple(worst_of(left_out) for left_out in without))
