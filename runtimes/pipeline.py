"""Many items through one function with several in flight; results in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_flight(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Yields `work(item)` for each item, in order, with `count` of them in flight.

    Items are read as they are needed, at most 2 `count` ahead of what was yielded: whoever reads slowly slows down
    whoever writes. What `work` raises comes in the place of its item; later items are given up.
    """
    if count == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="miniseg") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
