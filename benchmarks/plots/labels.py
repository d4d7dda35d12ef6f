"""Labels beside their points: inside the frame, over no mark and no other label."""

from collections.abc import Iterator, Sequence

import numpy as np

LEADER_FROM = 12.0
"""Points between a mark and its label from which a line joins them."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def placed_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    taken: Sequence[Box] = (),
) -> list[tuple[float, float]]:
    """Lower left corners for labels (width, height) near their points: inside the frame, over no mark or label.

    A label is next to its mark or connected to it by a line. From right to left each takes the nearest free place whose
    line crosses nothing; if there is none, a free one; if there is no free one, the nearest.
    """
    marks = [(x - 9, y - 7, x + 9, y + 7) for x, y in points]
    blocked = list(taken)
    places = [(0.0, 0.0)] * len(points)
    for index in sorted(range(len(points)), key=lambda i: -points[i][0]):
        point, size = points[index], sizes[index]
        # Two marks in one place do not block each other's labels.
        others = [mark for mark in marks if not _inside((*point, *point), mark)]
        candidates = [c for c in _candidates(*point, size) if _inside(box_at(c, size), frame)] or [
            (point[0] + 10, point[1])
        ]
        free = [c for c in candidates if not _any_overlap([box_at(c, size)], [*blocked, *marks])] or candidates
        clear = (c for c in free if not _any_overlap(_leader(box_at(c, size), point), [*blocked, *others]))
        places[index] = next(clear, free[0])
        label = box_at(places[index], size)
        blocked += [label, *_leader(label, point)]
    return places


def _candidates(x: float, y: float, size: tuple[float, float]) -> Iterator[tuple[float, float]]:
    width, height = size
    yield x + 10, y - height / 2
    for level in range(12):
        above, below = y + 13 + level * (height + 1), y - 13 - height - level * (height + 1)
        for left in (x - 3, x - width + 3):
            yield left, above
            yield left, below
        yield x - 10 - width, y - height / 2


def _leader(box: Box, point: tuple[float, float]) -> list[Box]:
    """The line from a mark to its label as small boxes; none if the two are adjacent."""
    end = nearest(box, point)
    steps = int(np.hypot(end[0] - point[0], end[1] - point[1]) / 3)
    if 3 * steps < LEADER_FROM:
        return []
    xs, ys = np.linspace(point[0], end[0], steps)[1:-1], np.linspace(point[1], end[1], steps)[1:-1]
    return [(float(x) - 1, float(y) - 1, float(x) + 1, float(y) + 1) for x, y in zip(xs, ys, strict=True)]


def nearest(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """The point of a box that is nearest to another point."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def box_at(corner: tuple[float, float], size: tuple[float, float]) -> Box:
    """From its lower left corner."""
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def _inside(box: Box, frame: Box) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _any_overlap(some: Sequence[Box], others: Sequence[Box]) -> bool:
    return any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a in some for b in others)
