"""Abandoned calls: of a job that is late or cancelled, or of a stream without a reader.

A runtime that can interrupt a call runs it within `interruptible`. In other runtimes the call runs to its end, and its
result is dropped.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from miniseg_edge.errors import CancelledError
from miniseg_edge.runtimes.backends.forks import Home

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Interrupt = Callable[[], bool]
"""Interrupts running work, from any thread; returns whether there was any."""

_TRIES, _PAUSE_S = 50, 0.001
"""Interval for checking again for a call that is about to start; one that does not start by then runs to its end."""

_here = threading.local()


class Caller:
    """Has threads do work, and may abandon it.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self) -> None:
        self._home = Home()
        self._lock = threading.RLock()  # the garbage collector may close a stream while this thread holds it
        self._given_up = False
        self._interrupts: list[Interrupt] = []

    def calls(
        self, work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        """Does some work in this thread, for this caller, and returns its result."""
        before = getattr(_here, "caller", None)
        _here.caller = self
        try:
            return work(*arguments, **named)
        finally:
            _here.caller = before

    def give_up(self) -> None:
        """Interrupts this caller's work, now and later, if possible. May be called twice."""
        if not self._home.is_here:
            return
        self._given_up = True
        for _ in range(_TRIES):
            with self._lock:
                self._interrupts = [interrupt for interrupt in self._interrupts if not interrupt()]
                if not self._interrupts:
                    return
            time.sleep(_PAUSE_S)

    @contextmanager
    def interrupted_by(self, interrupt: Interrupt) -> Iterator[None]:
        """See `interruptible`, for this caller."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            if self._given_up:  # checked after `interrupt` is set, so that one of the two is seen
                raise CancelledError("the call was abandoned", expected="a waiting caller", got="none")
            yield
        finally:
            with self._lock:
                self._interrupts = [other for other in self._interrupts if other is not interrupt]


@contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[None]:
    """For runtimes: inside, `interrupt` is called once this thread's caller abandons its work.

    Raises:
        CancelledError: it has.
    """
    caller: Caller | None = getattr(_here, "caller", None)
    if caller is None:
        yield
        return
    with caller.interrupted_by(interrupt):
        yield
