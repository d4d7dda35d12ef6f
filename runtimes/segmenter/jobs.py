"""Jobs: slices submitted now, masks fetched later. Their number is limited, and each may have a deadline."""

import concurrent.futures
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import BusyError, CancelledError, ClosedError, DeadlineError, UsageError
from miniseg_edge.runtimes.backends.forks import Home
from miniseg_edge.runtimes.backends.giving_up import Caller
from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation

_log = logger_of(__name__)

MAX_JOBS = 64
"""Submitted and not yet done; a prepared slice of 512 x 512 takes 1 MB."""

LONGEST_WAIT_S = 3600.0
"""Maximum wait of the watching thread before it checks again; the system does not support every finite timeout."""


class Job(Future[Segmentation]):
    """A slice's future. The first event settles it: its mask, an error, its deadline, `cancel`, or closing.

    A slice that the engine is already processing is abandoned: the native runtime stops between two layers; a vendor's
    engine cannot be interrupted, and its mask is dropped. Callbacks run in their own threads, in no fixed order, so
    that one that hangs or fails does not block anything else. In a forked child, an unsettled job raises ForkedError.
    """

    def __init__(self) -> None:
        super().__init__()
        self._home = Home()

    def result(self, timeout: float | None = None) -> Segmentation:
        """As in a future; also raises ForkedError."""
        self._check_home()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As in a future; also raises ForkedError."""
        self._check_home()
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancels the job, started or not.

        Returns False if it had already finished. Its `result()` then raises CancelledError.
        """
        self.settle(CancelledError("the job was cancelled", expected="a mask", got="a call of cancel()"))
        return self.cancelled()

    def cancelled(self) -> bool:
        """Whether `cancel` came in time."""
        return self.done() and isinstance(self.exception(), CancelledError)

    def add_done_callback(self, fn: Callable[[Future[Segmentation]], object]) -> None:
        """As in a future, but `fn` runs in its own thread. Its exceptions are logged by type."""
        self.when_done(lambda job: _in_a_thread(fn, job))

    def when_done(self, fn: Callable[[Future[Segmentation]], object]) -> None:
        """Calls `fn` in the thread that settles the job: it must neither wait nor raise."""
        super().add_done_callback(fn)

    def settle(self, outcome: Segmentation | BaseException) -> None:
        """Sets result or exception, unless the job already has one."""
        try:
            if isinstance(outcome, BaseException):
                self.set_exception(outcome)
            else:
                self.set_result(outcome)
        except concurrent.futures.InvalidStateError:
            pass

    def _check_home(self) -> None:
        if not self.done():
            self._home.check("this job's Segmenter")


class Jobs:
    """The queue behind `Segmenter.submit`. Its threads exist while there are jobs.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, segmented: Callable[[PreparedSlice], Segmentation], workers: int) -> None:
        """Takes the work function, which must be thread-safe, and the number of concurrent jobs."""
        self._segmented = segmented
        self._pool = DaemonPool(workers, "miniseg-job")
        self._room = threading.Semaphore(MAX_JOBS)
        self._changed = threading.Condition()
        self._not_begun: dict[Job, PreparedSlice] = {}
        self._due: dict[Job, float] = {}
        self._watched = False
        self._closed = False

    def submit(self, prepared: PreparedSlice, deadline_s: float | None) -> Job:
        """Queues a slice without waiting.

        Raises: UsageError, BusyError, ClosedError; RuntimeError if there is no thread.
        """
        if deadline_s is not None and not (math.isfinite(deadline_s) and deadline_s > 0):
            raise UsageError("the deadline is invalid", expected="finite seconds above 0, or None", got=f"{deadline_s}")
        if not self._room.acquire(blocking=False):
            raise BusyError(
                "too many jobs are waiting",
                expected=f"at most {MAX_JOBS}",
                got="one more",
                remedy="Wait for one of them, or use stream().",
            )
        job = Job()
        with self._changed:
            if self._closed:
                self._room.release()
                raise _closed()
            self._not_begun[job] = prepared
            try:
                if deadline_s is not None:
                    self._watch(job, deadline_s)
                self._pool.submit(self._work, job)
            except BaseException as error:
                del self._not_begun[job]  # the pool may still have queued it, and will find nothing to do
                self._room.release()
                job.settle(error)
                raise
        return job

    def close(self) -> None:
        """Fails jobs that have not started with ClosedError, without waiting; may be called twice."""
        with self._changed:
            self._closed = True
            given_up, self._not_begun = self._not_begun, {}
        for job in given_up:
            job.settle(_closed())
        self._pool.shutdown(wait=False)

    def _work(self, job: Job) -> None:
        with self._changed:
            prepared, due = self._not_begun.pop(job, None), self._due.get(job, math.inf)
        if prepared is None:  # given up
            return
        try:
            # Checked here too: the watching thread may be late itself.
            outcome = None if job.done() or time.monotonic() >= due else _for(job, self._segmented, prepared)
            job.settle(_late() if outcome is None or time.monotonic() >= due else outcome)
        except BaseException as error:
            job.settle(error)
        finally:
            self._room.release()

    def _watch(self, job: Job, deadline_s: float) -> None:
        """Registers the job's deadline, and starts a watching thread, which ends when no deadline is left."""
        self._due[job] = time.monotonic() + deadline_s
        job.when_done(self._forget)
        self._changed.notify_all()
        if not self._watched:
            threading.Thread(target=self._expire, name="miniseg-deadlines", daemon=True).start()
            self._watched = True  # it waits for the lock that is held here

    def _forget(self, job: Future[Segmentation]) -> None:
        with self._changed:
            self._due = {other: due for other, due in self._due.items() if other is not job}
            self._changed.notify_all()

    def _expire(self) -> None:
        while (late := self._next_late()) is not None:
            late.settle(_late())

    def _next_late(self) -> Job | None:
        """Waits until a job is late; returns None once no deadline is left."""
        with self._changed:
            while self._due:
                job, due = min(self._due.items(), key=lambda pair: pair[1])
                if (left_s := due - time.monotonic()) <= 0:
                    return job
                self._changed.wait(min(left_s, LONGEST_WAIT_S))
            self._watched = False
            return None


def _for(job: Job, segmented: Callable[[PreparedSlice], Segmentation], prepared: PreparedSlice) -> Segmentation:
    """Segments a job's slice; abandons it as soon as the job is settled otherwise."""
    caller = Caller()
    job.when_done(lambda _: caller.give_up())
    return caller.calls(segmented, prepared)


def _in_a_thread(fn: Callable[[Future[Segmentation]], object], job: Future[Segmentation]) -> None:
    def call() -> None:
        try:
            fn(job)
        except BaseException as error:  # SystemExit too: it would silently end a thread
            _log.error("a job's callback raised %s", type(error).__name__)

    try:
        threading.Thread(target=call, name="miniseg-callback", daemon=True).start()
    except RuntimeError:  # the system has no thread left, or the interpreter is exiting
        call()


def _late() -> DeadlineError:
    return DeadlineError("the job missed its deadline", expected="a mask before its deadline", got="none")


def _closed() -> ClosedError:
    return ClosedError("the Segmenter is closed", expected="an open one", remedy="Load the bundle again.")
