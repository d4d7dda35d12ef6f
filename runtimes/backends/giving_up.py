"""Calls that their caller gives up: a job that is late or cancelled, a stream that nobody reads any more.

A runtime that can end a call in the middle runs it within `interruptible`. In the others it goes on to its end, and its
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
"""Ends what is under way, from any thread; whether there was anything."""

_TRIES, _PAUSE_S = 50, 0.001
"""A call that is about to begin is looked for again; one that does not begin by then runs to its end."""

_here = threading.local()


class Caller:
    """Has threads work, and may give their work up.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self) -> None:
        self._home = Home()
        self._lock = threading.RLock()  # the collector may close a stream while this thread holds it
        self._given_up = False
        self._interrupts: list[Interrupt] = []

    def calls(
        self, work: Callable[Parameters, Result], *arguments: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        """Does some work in this thread, for this caller, and gives its result."""
        before = getattr(_here, "caller", None)
        _here.caller = self
        try:
            return work(*arguments, **named)
        finally:
            _here.caller = before

    def give_up(self) -> None:
        """Interrupts what works for this caller, now and later, where that can be. May be called twice."""
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
        """As `interruptible`, for this caller."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            if self._given_up:  # asked after `interrupt` is there, so that one of the two is seen
                raise CancelledError("the call was abandoned", expected="a waiting caller", got="none")
            yield
        finally:
            with self._lock:
                self._interrupts = [other for other in self._interrupts if other is not interrupt]


@contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[None]:
    """For runtimes: while this lasts, `interrupt` is called once this thread's caller gives up.

    Raises:
        CancelledError: it has.
    """
    caller: Caller | None = getattr(_here, "caller", None)
    if caller is None:
        yield
        return
    with caller.interrupted_by(interrupt):
        yield
