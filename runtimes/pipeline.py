"""Many items through one function with several in flight; results in the order of the items."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_flight(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Yields `work(item)` for each item, in order, on an engine that takes `count` at once.

    Items are read as they are needed, at most 2 `count` ahead of what was yielded: whoever reads slowly slows down
    whoever writes. What `work` raises comes in the place of its item; later items are given up.
    """
    if count == 1:
        yield from map(work, items)
        return
    with _pool(count) as pool:
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


def streamed(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """As `in_flight`, for items that make one wait: each result comes as soon as it is there.

    Items are read in a thread of their own, while results are awaited here, and again at most 2 `count` ahead of what
    was yielded. What reading raises comes after the results of the items before it. Whoever stops early waits for the
    items in flight, not for the next one: the thread that reads ends when that has come, and keeps no process alive.
    """
    room, stopped = threading.Semaphore(2 * count), threading.Event()
    read: queue.SimpleQueue[Future[Result] | None] = queue.SimpleQueue()
    pool = _pool(count)

    def reading() -> None:
        source = iter(items)
        while room.acquire() and not stopped.is_set():
            try:
                item = next(source)
            except StopIteration:
                break
            if not stopped.is_set():
                read.put(pool.submit(work, item))

    def reader() -> None:
        try:
            reading()
        except BaseException as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            read.put(failed)
        read.put(None)

    threading.Thread(target=reader, name="miniseg-reader", daemon=True).start()
    try:
        while (future := read.get()) is not None:
            yield future.result()
            room.release()
    finally:
        stopped.set()
        room.release()
        pool.shutdown(cancel_futures=True)


def _pool(count: int) -> ThreadPoolExecutor:
    """A thread more than the engine takes: its item is ready when the engine gets free."""
    return ThreadPoolExecutor(count + 1 if count > 1 else 1, thread_name_prefix="miniseg")
