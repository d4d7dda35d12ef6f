"""Counts the lesions in a volume: groups of lesion voxels that share a face.

OpenCV labels each slice; a lesion in one slice and one in the next are joined if they overlap. This works slice by
slice, because labels of a whole volume take four times its memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.slices.preprocessing import ByteArray

_BY_AN_EDGE = 4
_PAIR = 2**32
"""Combines two labels in one number: the first times this, plus the second."""


class _Groups:
    """Union-find over numbers from 0; a group is identified by its root."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self.count = 0

    def add(self, new: int) -> int:
        """Adds single-element groups; returns the first one's number."""
        first = len(self._parent)
        self._parent += range(first, first + new)
        self.count += new
        return first

    def join(self, one: int, other: int) -> None:
        """Joins two groups if they differ."""
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parent[one] = other
            self.count -= 1

    def _root(self, number: int) -> int:
        while (parent := self._parent[number]) != number:
            self._parent[number] = self._parent[parent]
            number = parent
        return number


def lesion_count(masks: Iterable[ByteArray]) -> int:
    """Number of connected lesions in slices (H, W) uint8 of one size, in order; lesion above 0."""
    groups = _Groups()
    below = _NOTHING
    for mask in masks:
        here = _labelled(mask, groups)
        _join(here, below, groups)
        below = here
    return groups.count


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A slice's lesions: their bounding box (top, left, bottom, right), and each pixel's label in it.

    Label 0 is background, label n is the group `first` + n - 1.
    """

    box: tuple[int, int, int, int]
    labels: npt.NDArray[np.int32]
    first: int

    def within(self, top: int, left: int, bottom: int, right: int) -> npt.NDArray[np.int32]:
        """The labels in a part of the bounding box."""
        return self.labels[top - self.box[0] : bottom - self.box[0], left - self.box[1] : right - self.box[1]]


_NOTHING = _Labelled((0, 0, 0, 0), np.zeros((0, 0), np.int32), 0)


def _labelled(mask: ByteArray, groups: _Groups) -> _Labelled:
    """Labels a slice's lesions, at first each as a separate group."""
    from miniseg_edge.host.opencv import cv2

    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return _NOTHING
    box = (top, left, top + height, left + width)
    lesions = np.ascontiguousarray(mask[box[0] : box[2], box[1] : box[3]])
    count, labels = cv2.connectedComponents(lesions, connectivity=_BY_AN_EDGE)
    return _Labelled(box, np.asarray(labels, np.int32), groups.add(count - 1))


def _join(here: _Labelled, below: _Labelled, groups: _Groups) -> None:
    """Joins two lesions where they overlap."""
    top, left = max(here.box[0], below.box[0]), max(here.box[1], below.box[1])
    bottom, right = min(here.box[2], below.box[2]), min(here.box[3], below.box[3])
    if bottom <= top or right <= left:
        return
    ours, theirs = here.within(top, left, bottom, right), below.within(top, left, bottom, right)
    over = (ours > 0) & (theirs > 0)
    pairs = ours[over].astype(np.int64) * _PAIR + theirs[over]
    runs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]  # along a row, most are like the one before
    for one, other in (divmod(pair, _PAIR) for pair in np.unique(runs).tolist()):
        groups.join(here.first + one - 1, below.first + other - 1)
