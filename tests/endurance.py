"""Many slices from many threads on one Segmenter, in a process of its own: every mask looked at, memory watched.

`python -m tests.endurance BUNDLE SLICES THREADS` prints JSON: wrong masks, slices, seconds, the resident memory in MB
after each hundredth of them, and its slope after the warm-up in MB per 1,000 slices, with a 95 % interval. In the
warm-up the allocator's pools of all threads fill.
"""

import json
import sys
import time

import psutil

import miniseg_edge
from miniseg_edge.benchmarks.soak.soak import settled, slope_per_1000
from miniseg_edge.benchmarks.traffic import Tally, from_threads, handed_over, known_slices, one_by_one, streamed

DIFFERENT = 24


class Watch(Tally):
    """A tally that looks at the memory every hundredth."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.memory: list[tuple[int, float]] = []
        self._every, self._process = max(1, total // 100), psutil.Process()

    def _counted(self) -> None:
        if self.masks % self._every == 0:
            self.memory.append((self.masks, self._process.memory_info().rss / 1e6))


def main() -> None:
    bundle, total, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with miniseg_edge.load(bundle) as segmenter:
        known = known_slices(segmenter, [segmenter.bundle.manifest.preprocessing.size], DIFFERENT)
        shares = [[known[i % DIFFERENT] for i in range(first, total, threads)] for first in range(threads)]
        watch, start = Watch(total), time.perf_counter()
        from_threads(segmenter, shares, watch, (one_by_one, streamed, handed_over))
        seconds = time.perf_counter() - start
    slope = slope_per_1000(settled(watch.memory))
    told = {"wrong": watch.wrong, "slices": watch.masks, "seconds": seconds, "memory_mb": watch.memory}
    sys.stdout.write(json.dumps({**told, "mb_per_1000": [slope.per_minute, slope.low, slope.high]}))


if __name__ == "__main__":
    main()
