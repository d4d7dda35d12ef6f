"""The end of the interpreter: threads of ours may still be at work then, and Python ends them where they stand.

A thread that comes back from a vendor's code and wants the interpreter is ended there, and C++ turns that into
`std::terminate`: the process dies after its work was done. So calls and the freeing of engines are counted, the end
waits for those under way, and what begins later does not.

A thread that ends frees what vendors and Python keep for it, infer requests among them. While the process itself ends,
the vendor's library may be gone by then: a crash. So the end also waits until our idle threads are gone.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable

END_S = 5.0
"""The end waits so long. An engine that hangs for longer is left behind."""

_Wake = Callable[[], object]


class _UnderWay:
    """Work of this process's threads that must not be ended in the middle."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # reentrant: the collector may free an engine while it is held
        self._count, self._ending = 0, False
        self._workers: list[tuple[threading.Thread, _Wake]] = []

    def begin(self) -> bool:
        """Counts some work, unless the interpreter is ending."""
        with self._changed:
            self._count += not self._ending
            return not self._ending

    def end(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def add(self, thread: threading.Thread, wake: _Wake) -> None:
        """A thread that ends soon after `wake`. It is kept until it is gone: `join` alone tells when that is."""
        with self._changed:
            self._workers = [(other, wakes) for other, wakes in self._workers if other.is_alive()]
            self._workers.append((thread, wake))

    def wait(self) -> None:
        """Lets nothing begin any more, and waits for what is under way and for the threads, at most `END_S`."""
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
    """In a forked child: the threads that were counted are not there."""
    global _under_way  # noqa: PLW0603
    _under_way = _UnderWay()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def ends_with_the_process(thread: threading.Thread, wake: _Wake) -> None:
    """The end of the interpreter wakes this thread, which was started, and waits until it is gone.

    Args:
        thread: it ends soon after it was woken, unless an engine hangs in it.
        wake: may be called from any thread, many times, and after the thread is gone.
    """
    _under_way.add(thread, wake)


def before_the_end(
    work: Callable[[], object],
    thread: Callable[[], int] = threading.get_ident,
    main: Callable[[], threading.Thread] = threading.main_thread,
) -> bool:
    """Does some work that the end of the interpreter waits for; False and nothing, if that has begun.

    The main thread is not ended by it, and always works. May be called from any thread, and by the collector, also
    when modules are gone.
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
