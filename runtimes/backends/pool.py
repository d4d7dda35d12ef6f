"""Workers for as many concurrent callers as there are."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from miniseg_edge.errors import ClosedError
from miniseg_edge.runtimes.backends.forks import Home


class Releasable(Protocol):
    """Something that holds memory until it is released."""

    def release(self) -> None:
        """Releases it; may be called twice."""


Item = TypeVar("Item", bound=Releasable)


class Pool(Generic[Item]):
    """Gives each caller its own item, created if none is free; so no two threads share one.

    Thread-safety: any number of threads; if all items are in use, callers wait for one. `close` does not wait: items in
    use are released when they are returned.
    """

    def __init__(self, make: Callable[[], Item], closed: Callable[[], None] = lambda: None, most: int = 1024) -> None:
        """Takes a function that makes an item, one to call when the last is returned after closing, and the maximum."""
        self._make, self._when_closed, self._most, self._home = make, closed, most, Home()
        # The garbage collector may close a pool while this thread is in another pool, or even holds this one's lock.
        self._lock = threading.Condition(threading.RLock())
        self._spare: list[Item] = []
        self._out = 0
        self._closed = False

    @contextmanager
    def borrowed(self) -> Iterator[Item]:
        """An item for the duration of a `with` block. An item is not reused after an exception.

        Raises:
            ClosedError: after `close`.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._out < self._most)
            if self._closed:
                raise ClosedError("the runtime is closed", expected="an open runtime", remedy="Load the bundle again.")
            item = self._spare.pop() if self._spare else None
            self._out += 1
        sound = False
        try:
            if item is None:
                item = self._make()
            yield item
            sound = True
        finally:
            self._returned(item, sound=sound)

    def close(self) -> None:
        """Releases free items now and the rest when they are returned; may be called twice.

        Does nothing in a fork's child.
        """
        if not self._home.is_here:
            return
        with self._lock:
            first = not self._closed
            self._closed = True
            idle, self._spare = self._spare, []
            self._lock.notify_all()
            last = first and self._out == 0
        for item in idle:
            item.release()
        if last:
            self._when_closed()

    def _returned(self, item: Item | None, *, sound: bool) -> None:
        with self._lock:
            self._out -= 1
            self._lock.notify()
            kept = sound and not self._closed
            if kept and item is not None:
                self._spare.append(item)
            last = self._closed and self._out == 0
        if not kept and item is not None:
            item.release()
        if last:
            self._when_closed()
