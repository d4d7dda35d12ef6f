"""The timing loop."""

import time
from collections.abc import Callable


def latencies_ms(run: Callable[[], object], seconds: float, warm_up_s: float = 0.0) -> list[float]:
    """Calls `run` repeatedly, for `warm_up_s` and then for `seconds`.

    Returns:
        Returns the milliseconds of each call after the warm-up, at least one.
    """
    taken: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < warm_up_s + seconds or not taken:
        before = time.perf_counter()
        run()
        if before - start >= warm_up_s:
            taken.append((time.perf_counter() - before) * 1e3)
    return taken
