"""Many slices from many threads on one Segmenter, in a process of its own: every mask looked at, memory watched.

`python -m tests.endurance BUNDLE SLICES THREADS` prints JSON: wrong masks, slices, seconds, the resident memory in MB
after each hundredth of them, and its slope over the second half in MB per 1,000 slices, with a 95 % interval. In the
first half the allocator's pools of all threads fill.
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import psutil

import miniseg_edge
from miniseg_edge.benchmarks.statistics import growth
from miniseg_edge.phantoms import phantom
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter import Segmenter

DIFFERENT = 24
WARM_UP_SHARE = 0.5


class Watch:
    """Counts slices of all threads, compares each mask, and looks at the memory every hundredth."""

    def __init__(self, expected: list[ByteArray], total: int) -> None:
        self.wrong, self.done = 0, 0
        self.memory: list[tuple[int, float]] = []
        self._expected, self._every = expected, max(1, total // 100)
        self._lock, self._process = threading.Lock(), psutil.Process()

    def saw(self, index: int, result: Segmentation) -> None:
        right = np.array_equal(result.mask, self._expected[index % DIFFERENT])
        with self._lock:
            self.wrong += not right
            self.done += 1
            if self.done % self._every == 0:
                self.memory.append((self.done, self._process.memory_info().rss / 1e6))


def visit(segmenter: Segmenter, slices: list[ByteArray], indices: range, way: int, watch: Watch) -> None:
    """A thread's share, by one of the three ways in."""
    if way == 0:
        for index in indices:
            watch.saw(index, segmenter.segment(slices[index % DIFFERENT]))
    elif way == 1:
        for index, result in zip(indices, segmenter.stream(slices[i % DIFFERENT] for i in indices), strict=True):
            watch.saw(index, result)
    else:
        for index, job in handed_over(segmenter, slices, indices):
            watch.saw(index, job.result())


def handed_over(
    segmenter: Segmenter, slices: list[ByteArray], indices: range
) -> Iterator[tuple[int, Future[Segmentation]]]:
    """Jobs, four at a time."""
    for first in range(0, len(indices), 4):
        some = indices[first : first + 4]
        yield from zip(some, [segmenter.submit(slices[i % DIFFERENT], 600.0) for i in some], strict=True)


def main() -> None:
    bundle, total, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with miniseg_edge.load(bundle) as segmenter:
        size = segmenter.bundle.manifest.preprocessing.size
        slices = [phantom(seed, size=size).image for seed in range(DIFFERENT)]
        watch = Watch([segmenter.segment(slice_).mask for slice_ in slices], total)
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            shares = [range(first, total, threads) for first in range(threads)]
            for future in [
                pool.submit(visit, segmenter, slices, share, way, watch)
                for share, way in zip(shares, itertools.cycle(range(3)), strict=False)
            ]:
                future.result()
        seconds = time.perf_counter() - start
    settled = np.array([point for point in watch.memory if point[0] > WARM_UP_SHARE * total], dtype=np.float64)
    slope = growth([settled * (60.0 / 1000.0, 1.0)])  # a "minute" of it is 1,000 slices
    told = {"wrong": watch.wrong, "slices": watch.done, "seconds": seconds, "memory_mb": watch.memory}
    sys.stdout.write(json.dumps({**told, "mb_per_1000": [slope.per_minute, slope.low, slope.high]}))


if __name__ == "__main__":
    main()
