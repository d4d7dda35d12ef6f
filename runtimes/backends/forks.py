"""Forks: a forked engine's memory is copied, its threads are not, and its locks keep their state.

Using such a copy hangs, and so does freeing it, because vendors wait for threads that do not exist. So it is refused
and never freed. An engine that the child opens itself works, unless a thread of the parent was inside a vendor's
library at the moment of the fork and may have held its locks.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from miniseg_edge.errors import ForkedError

Result = TypeVar("Result")

keep_for_ever: Callable[[object], object] = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_IncRef", ctypes.pythonapi))
"""Prevents an object from ever being freed, even at interpreter exit: a reference that is never released."""

_calls: set[tuple[int, object]] = set()
"""Running calls into vendors' libraries: the process of each, and a token. A parent's calls never end in the child."""

_first_users: dict[str, int] = {}
"""Libraries that only work on one side of a fork, and the process that first used each."""


def _note_inherited() -> None:
    """In a forked child: the host may have used torch directly."""
    if "torch" in sys.modules:
        _first_users.setdefault("torch", os.getppid())


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_note_inherited)


@dataclass(frozen=True)
class Home:
    """The process that created something."""

    process: int = field(default_factory=os.getpid)

    @property
    def is_here(self) -> bool:
        """Whether that is this process, and not one that it was forked from."""
        return os.getpid() == self.process

    def check(self, what: str) -> None:
        """Refuses `what` in another process. Raises: ForkedError."""
        if not self.is_here:
            raise ForkedError(
                f"{what} was opened in another process",
                expected="the process that opened it",
                got="a forked child",
                remedy="Load the bundle in the child.",
            )


@contextmanager
def in_vendor() -> Iterator[None]:
    """Marks a call into a vendor's library; see `check_fork`."""
    call = os.getpid(), object()
    _calls.add(call)
    try:
        yield
    finally:
        _calls.discard(call)


def check_fork() -> None:
    """Refuses to open engines in a process that was forked during a call into a vendor's library.

    Raises:
        ForkedError.
    """
    here = os.getpid()
    if any(process != here for process, _ in tuple(_calls)):
        raise ForkedError(
            "this process was forked while another thread was using an engine",
            expected="a fork while all engines are idle",
            got="locks that another thread may hold",
            remedy="Start the child with spawn or forkserver.",
        )


def only_here(results: Generator[Result, None, None]) -> Iterator[Result]:
    """The same items; in a child forked during the iteration, ForkedError instead of the next one.

    Their threads were not copied, so waiting for the next item, or for the end, would never return.
    """
    home = Home()
    try:
        for result in results:
            yield result
            home.check("this stream")
    finally:
        if home.is_here:
            results.close()
        else:
            keep_for_ever(results)


def claim(library: str, *, used: bool = True) -> None:
    """Records that this process uses a library that only works on one side of a fork; or checks whether it may.

    Raises:
        ForkedError: a process that this one was forked from has used it.
    """
    here = os.getpid()
    first = _first_users.setdefault(library, here) if used else _first_users.get(library, here)
    if first != here:
        raise ForkedError(
            f"{library} was used before this process was forked",
            expected="a process of its own",
            got="a fork",
            remedy="Start the child with spawn or forkserver, or use another runtime.",
        )
