"""How many lesions a volume holds: groups of lesion voxels that touch by a face.

OpenCV labels each slice; a lesion of one slice and one of the next are one where one lies over the other. Slice by
slice, because labels of a whole volume take four times its memory.
"""

from collections.abc import Iterable

import numpy as np

from miniseg_edge.preprocessing import ByteArray

_BY_AN_EDGE = 4
_PAIR = 2**32
"""Two labels in one number, the first times this."""


def lesion_count(masks: Iterable[ByteArray]) -> int:
    """Number of connected lesions in slices (H, W) uint8 of one size, in order; lesion above 0."""
    from miniseg_edge.opencv import cv2

    groups = _Groups()
    below, labels_below, first_below = None, None, 0
    for mask in masks:
        count, labels = cv2.connectedComponents(np.ascontiguousarray(mask), connectivity=_BY_AN_EDGE)
        first = groups.add(count - 1)
        if below is not None and labels_below is not None:
            over = np.flatnonzero((mask > 0) & (below > 0))
            pairs = labels.ravel()[over].astype(np.int64) * _PAIR + labels_below.ravel()[over]
            runs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]  # along a row, most are like the one before
            for here, there in (divmod(pair, _PAIR) for pair in np.unique(runs).tolist()):
                groups.join(first + here - 1, first_below + there - 1)
        below, labels_below, first_below = mask, labels, first
    return groups.count


class _Groups:
    """Numbers from 0, in groups that are joined; a group is known by its root."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self.count = 0

    def add(self, new: int) -> int:
        """Adds groups of one; the first one's number."""
        first = len(self._parent)
        self._parent += range(first, first + new)
        self.count += new
        return first

    def join(self, one: int, other: int) -> None:
        """Makes one group of two, if they are two."""
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parent[one] = other
            self.count -= 1

    def _root(self, number: int) -> int:
        while (parent := self._parent[number]) != number:
            self._parent[number] = self._parent[parent]
            number = parent
        return number
