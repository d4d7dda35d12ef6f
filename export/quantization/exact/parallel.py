"""Processes slices in several threads; results are in the order of the slices."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from miniseg_edge.console import terminal
from miniseg_edge.host.processor import usable_cores

MAX_THREADS = 8
"""Each holds the values of a slice, some hundred MB."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item], description: str) -> list[Result]:
    """Applies the function to each item, in the order of the items, with a progress bar.

    Args:
        function: thread-safe, and dependent on its item only.
        items: what to call it with.
        description: for the progress bar.

    Raises:
        Exception: the function's first exception, in the order of the items.
    """
    with ThreadPoolExecutor(min(usable_cores(), MAX_THREADS)) as threads:
        futures = [threads.submit(function, item) for item in items]
        try:
            return [future.result() for future in terminal.track(futures, description)]
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
