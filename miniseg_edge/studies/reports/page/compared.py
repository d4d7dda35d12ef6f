"""Two masks of one study: where they differ."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Overlap:
    """Pixels that both masks have, and those that only one of them has."""

    both: int
    ours_alone: int
    other_alone: int

    @property
    def dice(self) -> float:
        """Dice, 0..1; 1 if neither mask has lesion."""
        total = 2 * self.both + self.ours_alone + self.other_alone
        return 2 * self.both / total if total else 1.0

    def __add__(self, more: "Overlap") -> "Overlap":
        return Overlap(self.both + more.both, self.ours_alone + more.ours_alone, self.other_alone + more.other_alone)


def overlap_of(ours: ByteArray, other: ByteArray) -> Overlap:
    """Of two masks of one shape, lesion above 0."""
    one, two = ours > 0, other > 0
    both = int(np.count_nonzero(one & two))
    return Overlap(both, int(np.count_nonzero(one)) - both, int(np.count_nonzero(two)) - both)
