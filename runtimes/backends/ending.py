"""The end of the interpreter: our threads may still be working then, and Python stops them where they are.

A thread that returns from a vendor's code to the interpreter is ended there, which C++ turns into `std::terminate`: the
process crashes after its work was done. So calls and the freeing of engines are counted; the exit waits for those in
progress, and later ones do not start.

When a thread ends, vendors and Python free its resources, including infer requests. At process exit the vendor's
library may already be unloaded: a crash. So the exit also waits until our idle threads have ended.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable

END_S = 5.0
"""Maximum wait at exit. An engine that hangs for longer is abandoned."""

_Wake = Callable[[], object]


class _UnderWay:
    """Work of this process's threads that must not be interrupted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # reentrant: the garbage collector may free an engine while it is held
        self._count, self._ending = 0, False
        self._workers: list[tuple[threading.Thread, _Wake]] = []

    def begin(self) -> bool:
        """Counts some work, unless the interpreter is exiting."""
        with self._changed:
            self._count += not self._ending
            return not self._ending

    def end(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def add(self, thread: threading.Thread, wake: _Wake) -> None:
        """A thread that ends soon after `wake`. It is kept until it is gone: only `join` tells when that is."""
        with self._changed:
            self._workers = [(other, wakes) for other, wakes in self._workers if other.is_alive()]
            self._workers.append((thread, wake))

    def wait(self) -> None:
        """Starts nothing new, and waits for running work and for the threads, at most `END_S`."""
        until = time.monotonic() + END_S
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._count, END_S)
            workers = tuple(self._workers)
        for _, wake in workers:
            wake()
        for thread, _ in workers:
            thread.join(max(0.0, until - time.monotonic()))


_under_way = _UnderWay()
atexit.register(lambda: _under_way.wait())  # noqa: PLW0108  the one of that moment: a fork replaces it


def _forget() -> None:
    """In a forked child, the counted threads do not exist."""
    global _under_way  # noqa: PLW0603
    _under_way = _UnderWay()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def ends_with_the_process(thread: threading.Thread, wake: _Wake) -> None:
    """At exit, wakes this started thread and waits until it has ended.

    Args:
        thread: it ends soon after it is woken, unless an engine hangs in it.
        wake: may be called from any thread, many times, and after the thread has ended.
    """
    _under_way.add(thread, wake)


def before_the_end(
    work: Callable[[], object],
    thread: Callable[[], int] = threading.get_ident,
    main: Callable[[], threading.Thread] = threading.main_thread,
) -> bool:
    """Does some work that the exit waits for; returns False and does nothing if the exit has started.

    The main thread is not stopped by the exit, and always works. May be called from any thread, and by the garbage
    collector, also after modules were unloaded.
    """
    under_way = _under_way
    counted = under_way.begin()
    if not counted and thread() != main().ident:
        return False
    try:
        work()
    finally:
        if counted:
            under_way.end()
    return True
