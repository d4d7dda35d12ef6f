"""Many runs of one context, then many contexts: does the memory of the process stand still?

`python -m tests.native.soak RUNS CONTEXTS` prints JSON: the resident memory in kB after each tenth of the runs, and
after each tenth of the contexts. The network and the slices are tiny, so that runs are many.
"""

import json
import sys
from collections.abc import Callable
from itertools import cycle

import numpy as np
import psutil

from miniseg_edge.native.binding import Context, Model
from tests.native.plans import case

SIZES = [(8, 8), (1, 1), (5, 7)]
THREADS = 2


def tenths(count: int, work: Callable[[], None]) -> list[int]:
    """Does it so many times; kB after each tenth."""
    process, found = psutil.Process(), []
    for time in range(1, count + 1):
        work()
        if time % (count // 10) == 0:
            found.append(process.memory_info().rss // 1024)
    return found


def runs(model: Model, count: int) -> list[int]:
    """Of one context and slices of different sizes. Raises: AssertionError, a slice got other logits than before."""
    numbers = np.random.default_rng(0)
    with model.context((8, 8)) as context:
        slices = [numbers.integers(0, 256, size, dtype=np.uint8) for size in SIZES]
        known = cycle([(slice_, context.logits(slice_)) for slice_ in slices])

        def run() -> None:
            slice_, expected = next(known)
            assert np.array_equal(context.logits(slice_), expected)

        return tenths(count, run)


def contexts(model: Model, count: int, keep: int = 0) -> list[int]:
    """Opened, run once and closed; `keep`: every so many are not closed."""
    opened = 0
    kept: list[Context] = []
    slice_ = np.zeros((64, 64), np.uint8)

    def open_and_close() -> None:
        nonlocal opened
        opened += 1
        context = model.context((64, 64), THREADS)
        context.logits(slice_)
        if keep and opened % keep == 0:
            kept.append(context)
        else:
            context.close()

    try:
        return tenths(count, open_and_close)
    finally:
        for context in kept:
            context.close()


def growth(memory: list[int]) -> int:
    """Of all but the first tenth, in kB."""
    return max(memory[1:]) - memory[0]


def main() -> None:
    with Model(case().plan) as model:
        told = {"runs": runs(model, int(sys.argv[1])), "contexts": contexts(model, int(sys.argv[2]))}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
