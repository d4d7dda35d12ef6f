"""Many items through one function, several concurrently; results in the order of the items."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import TypeVar

from miniseg_edge.runtimes.backends.giving_up import Caller
from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_flight(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Yields `work(item)` for each item, in order, on an engine that takes `count` at once.

    Items are read in the caller's thread as they are needed, at most 2 `count` ahead of the yielded results: a slow
    consumer slows down the producer. Exceptions of reading or `work` are raised at the place of their item; later items
    are abandoned. A consumer that stops early does not wait for running items, which are abandoned.
    """
    if count == 1:
        yield from map(work, items)
        return
    pool, caller = _pool(count), Caller()
    waiting: deque[Future[Result]] = deque()
    try:
        for future in _begun(pool, caller, work, items):
            waiting.append(future)
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=not waiting, cancel_futures=True)
        caller.give_up()


def streamed(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Like `in_flight`, for sources that block: each result is yielded as soon as it is ready.

    Items are read in a separate thread while results are awaited here, again at most 2 `count` ahead of the yielded
    results. Exceptions of reading are raised after the results of the items before it. A consumer that stops early does
    not wait: running items are abandoned, and the reading thread ends when the next item arrives.
    """
    room, stopped = threading.Semaphore(2 * count), threading.Event()
    read: queue.SimpleQueue[Future[Result] | None] = queue.SimpleQueue()
    pool, caller = _pool(count), Caller()

    def reader() -> None:
        with closing(_begun(pool, caller, work, items)) as begun:
            while room.acquire() and not stopped.is_set() and (future := next(begun, None)) is not None:
                read.put(future)
        read.put(None)

    threading.Thread(target=reader, name="miniseg-reader", daemon=True).start()
    future: Future[Result] | None = None
    try:
        while (future := read.get()) is not None:
            yield future.result()
            room.release()
    finally:
        stopped.set()
        room.release()
        pool.shutdown(wait=future is None, cancel_futures=True)
        caller.give_up()


def _begun(
    pool: DaemonPool, caller: Caller, work: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Future[Result], None, None]:
    """Reads items and starts each when its future is requested; the last future has the exception of reading."""
    try:
        for item in items:
            yield pool.submit(caller.calls, work, item)
    except GeneratorExit:
        raise
    except BaseException as error:
        yield _failed(error)


def _failed(error: BaseException) -> Future[Result]:
    """A future that failed. The frame that caught the exception must not hold it, or the source is freed late."""
    failed: Future[Result] = Future()
    failed.set_exception(error)
    return failed


def _pool(count: int) -> DaemonPool:
    """One thread more than the engine takes: its item is ready when the engine becomes free."""
    return DaemonPool(count + 1 if count > 1 else 1, "miniseg")
