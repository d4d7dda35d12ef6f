"""A pool of threads that do not keep a process alive: an engine that hangs can only be abandoned.

`concurrent.futures.ThreadPoolExecutor` waits for its threads at interpreter exit, whatever they do.
"""

import functools
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from miniseg_edge.runtimes.backends.ending import before_the_end, ends_with_the_process

Result = TypeVar("Result")


class DaemonPool:
    """Threads that run calls, as many as are needed at once. They end after `shutdown`, or with the pool.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, workers: int, name: str) -> None:
        """Takes the maximum number of threads, and the prefix of their names."""
        self._workers, self._name = workers, name
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        weakref.finalize(self, self._calls.put, None).atexit = False

    def submit(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Queues a call without waiting. Raises: RuntimeError after `shutdown`, or if the system has no thread."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._workers:
                name = f"{self._name}_{len(self._threads)}"
                thread = threading.Thread(target=_work, args=(self._calls, self._idle), name=name, daemon=True)
                thread.start()
                ends_with_the_process(thread, functools.partial(self._calls.put, None))
                self._threads.append(thread)
            self._calls.put(_Call(future, function, arguments))
        return future

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Accepts no more calls. Running calls finish, and so do queued ones unless they are cancelled."""
        with self._lock:
            self._closed = True
            while cancel_futures:
                try:
                    call = self._calls.get_nowait()
                except queue.Empty:
                    break
                if call is not None:
                    call.future.cancel()
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()


class _Call:
    """A call and the future for its result."""

    def __init__(self, future: Future[Any], function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.future = future
        self._parts: list[tuple[Callable[..., object], tuple[object, ...]]] = [(function, arguments)]

    def run(self) -> None:
        """Runs once.

        A traceback holds this frame and those above it, so no reference to the call may remain in them.
        """
        future = self.future
        function, arguments = self._parts.pop()
        if not future.set_running_or_notify_cancel():
            return
        try:
            found = function(*arguments)
        except BaseException as error:
            del function, arguments, self.future
            future.set_exception(error)
            del future
        else:
            future.set_result(found)


def _work(calls: "queue.SimpleQueue[_Call | None]", idle: threading.Semaphore) -> None:
    """A thread's main loop. It does not reference the pool, so that a garbage-collected pool ends its threads."""
    while (call := calls.get()) is not None:
        if not before_the_end(call.run):
            return
        del call
        idle.release()
    calls.put(None)  # for the next thread
