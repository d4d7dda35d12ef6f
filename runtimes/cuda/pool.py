"""Lanes for as many callers as there are at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from miniseg_edge.errors import ClosedError


class Releasable(Protocol):
    """What holds memory until it is told to let go."""

    def release(self) -> None:
        """Lets go; may be called twice."""


Item = TypeVar("Item", bound=Releasable)


class Pool(Generic[Item]):
    """Hands each caller an item of its own, made when there is none to spare; so no two threads share one.

    Thread-safety: any number of threads. `close` waits for nobody: items that are out are released as they come back.
    """

    def __init__(self, make: Callable[[], Item], closed: Callable[[], None] = lambda: None) -> None:
        """Takes what makes an item, and what to call once, when the pool is closed and the last item is back."""
        self._make, self._when_closed = make, closed
        self._lock = threading.Lock()
        self._spare: list[Item] = []
        self._out = 0
        self._closed = False

    @contextmanager
    def borrowed(self) -> Iterator[Item]:
        """An item for the time of a `with` block. One that an error came through is not used again.

        Raises:
            ClosedError: after `close`.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the runtime is closed", "an open runtime", "", "Load the bundle again.")
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
        """Releases what is spare now and the rest as it comes back; may be called twice."""
        with self._lock:
            first = not self._closed
            self._closed = True
            idle, self._spare = self._spare, []
            last = first and self._out == 0
        for item in idle:
            item.release()
        if last:
            self._when_closed()

    def _returned(self, item: Item | None, *, sound: bool) -> None:
        with self._lock:
            self._out -= 1
            kept = sound and not self._closed
            if kept and item is not None:
                self._spare.append(item)
            last = self._closed and self._out == 0
        if not kept and item is not None:
            item.release()
        if last:
            self._when_closed()
