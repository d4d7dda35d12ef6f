"""Slices worked on by several threads; what comes out is in the order of the slices, whoever was first."""

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
    """The function of each item, in the order of the items, with a progress bar.

    Args:
        function: safe to call from several threads, and a function of its item alone.
        items: what to call it with.
        description: for the progress bar.

    Raises:
        Exception: what the function raised first, in the order of the items.
    """
    with ThreadPoolExecutor(min(usable_cores(), MAX_THREADS)) as threads:
        futures = [threads.submit(function, item) for item in items]
        try:
            return [future.result() for future in terminal.track(futures, description)]
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
