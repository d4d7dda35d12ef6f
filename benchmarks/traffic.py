"""Slices with known masks, through every entry point of a Segmenter, from many threads; each mask is checked."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray

JOB_S = 600.0
"""Deadline of jobs that must not meet one."""

_HANDED_OVER = 4


@dataclass(frozen=True, eq=False)
class Known:
    """A grey slice (H, W) uint8 and its expected mask, bit for bit."""

    image: ByteArray
    mask: ByteArray


def known_slices(segmenter: Segmenter, sizes: Sequence[tuple[int, int]], count: int) -> list[Known]:
    """`count` phantoms of each size with their masks by `segment`, one by one, sizes in rotation."""
    images = [phantom(seed, size=size).image for seed in range(count) for size in sizes]
    return [Known(image, segmenter.segment(image).mask) for image in images]


class Tally:
    """Counts received masks, and the wrong ones among them.

    Thread-safety: `saw` is called from many threads at once.
    """

    def __init__(self) -> None:
        self.masks, self.wrong = 0, 0
        self._lock = threading.Lock()

    def saw(self, known: Known, mask: ByteArray) -> None:
        """Compares a mask with the right one."""
        right = np.array_equal(mask, known.mask)
        with self._lock:
            self.wrong += not right
            self.masks += 1
            self._counted()

    def _counted(self) -> None:
        """After each mask, under the lock."""


def one_by_one(segmenter: Segmenter, share: Sequence[Known], tally: Tally) -> None:
    """By `segment`."""
    for known in share:
        tally.saw(known, segmenter.segment(known.image).mask)


def streamed(segmenter: Segmenter, share: Sequence[Known], tally: Tally) -> None:
    """By `stream`."""
    for known, result in zip(share, segmenter.stream(known.image for known in share), strict=True):
        tally.saw(known, result.mask)


def handed_over(segmenter: Segmenter, share: Sequence[Known], tally: Tally) -> None:
    """By `submit`, four at a time, so that eight threads stay below the maximum queue."""
    for first in range(0, len(share), _HANDED_OVER):
        some = share[first : first + _HANDED_OVER]
        jobs = [segmenter.submit(known.image, JOB_S) for known in some]
        for known, job in zip(some, jobs, strict=True):
            tally.saw(known, job.result().mask)


def stacked(segmenter: Segmenter, share: Sequence[Known], tally: Tally) -> None:
    """By `segment_volume`, a volume per size."""
    for size in sorted({known.image.shape for known in share}):
        alike = [known for known in share if known.image.shape == size]
        masks = segmenter.segment_volume(np.stack([known.image for known in alike])).mask
        for known, mask in zip(alike, masks, strict=True):
            tally.saw(known, mask)


def given_up(segmenter: Segmenter, share: Sequence[Known], tally: Tally) -> None:
    """By a stream that is abandoned after its first mask, as by a viewer that is closed; then the rest one by one."""
    stream = iter(segmenter.stream(known.image for known in share))
    tally.saw(share[0], next(stream).mask)
    del stream
    one_by_one(segmenter, share[1:], tally)


Way = Callable[[Segmenter, Sequence[Known], Tally], None]
WAYS: tuple[Way, ...] = (one_by_one, streamed, handed_over, stacked, given_up)


def from_threads(segmenter: Segmenter, shares: Sequence[Sequence[Known]], tally: Tally, ways: Sequence[Way]) -> None:
    """A thread per share, the entry points in rotation. An exception is raised when all have ended."""
    with ThreadPoolExecutor(len(shares)) as pool:
        pairs = zip(shares, itertools.cycle(ways), strict=False)
        futures = [pool.submit(way, segmenter, share, tally) for share, way in pairs]
    for future in futures:
        future.result()
