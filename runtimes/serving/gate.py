"""Admits requests: a limited number, and none once the service stops."""

import asyncio
import time
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from miniseg_edge.errors import BusyError, ClosedError

_REST_S = 1.0


class Gate:
    """Counts the requests inside: from before a body is read until it is answered and no thread works on it.

    Thread-safety: `stop` may be called from anywhere, including a signal handler; everything else belongs to one event
    loop.
    """

    def __init__(self, capacity: int) -> None:
        """Admits `capacity` requests at once."""
        self.capacity = capacity
        self.inside = 0
        self.stopping = False
        self._entered = False
        self._last = 0.0

    def enter(self) -> "Place":
        """Admits a request; use its place in a `with` block. Raises: BusyError, ClosedError."""
        if self.stopping:
            raise ClosedError("the service is stopping", expected="one that runs", remedy="Try again in a moment.")
        if self.inside >= self.capacity:
            raise BusyError(
                "too many requests",
                expected=f"at most {self.capacity} at once",
                got="one more",
                remedy="Try again in a moment.",
            )
        self.inside += 1
        self._entered = True
        return Place(self)

    def rests(self) -> bool:
        """Whether there were requests inside and none for the last second; once after each busy period."""
        if self.inside or not self._entered or time.monotonic() - self._last < _REST_S:
            return False
        self._entered = False
        return True

    def stop(self) -> None:
        """Admits no more requests."""
        self.stopping = True

    def _leave(self) -> None:
        self.inside -= 1
        self._last = time.monotonic()


class Place:
    """A request's place inside. It is free again when its block has ended, and its thread's `work` too."""

    def __init__(self, gate: Gate) -> None:
        """Taken already."""
        self._gate = gate
        self.work: Future[Any] | None = None

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave = self._gate._leave
        if self.work is None:
            leave()
        else:
            loop = asyncio.get_running_loop()
            self.work.add_done_callback(lambda _: loop.call_soon_threadsafe(leave))
