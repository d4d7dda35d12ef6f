"""Who runs the workers on this machine: this process, or processes of their own. Ray is in `on_ray`."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from miniseg_edge.errors import DeviceLostError
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker

LOST_EXIT_CODE = 70


def serial(work: Work, crews: Sequence[Crew], series: Sequence[Series]) -> Iterator[Row]:
    """The first crew's first worker, in this process, in order. Raises: as `Worker.process`."""
    worker = Worker(work, crews[0])
    try:
        yield from map(worker.process, series)
    finally:
        worker.close()


def processes(work: Work, crews: Sequence[Crew], series: Sequence[Series]) -> Iterator[Row]:
    """A process for each worker, each with one series at a time; rows as they come. Raises: as `Worker.process`.

    A worker that dies is replaced, and its series given to the new one, which knows how often that happened.
    """
    waiting = deque(series)
    kinds = [crew for crew in crews for _ in range(crew.workers)]
    lanes = [_Lane(work, crew) for crew in kinds[: len(waiting)]]
    busy: dict[Future[Row], tuple[_Lane, Series]] = {}
    try:
        for lane in lanes:
            one = waiting.popleft()
            busy[lane.submit(one)] = lane, one
        while busy:
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                lane, one = busy.pop(future)
                try:
                    row = future.result()
                except BrokenProcessPool:
                    lane.reopen()
                    busy[lane.submit(one)] = lane, one
                    continue
                if waiting:
                    following = waiting.popleft()
                    busy[lane.submit(following)] = lane, following
                yield row
    finally:
        for lane in lanes:
            lane.close()


class _Lane:
    """A worker's process, alone in its pool, so that its death is nobody else's."""

    def __init__(self, work: Work, crew: Crew) -> None:
        self._told = work, crew
        self._pool = self._opened()

    def submit(self, series: Series) -> Future[Row]:
        try:
            return self._pool.submit(_process, series)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.reopen()
            return self._pool.submit(_process, series)

    def reopen(self) -> None:
        self.close()
        self._pool = self._opened()

    def close(self) -> None:
        """Waits for the series under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _opened(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, self._told)


_worker: Worker | None = None
"""Of this process, if it is a worker's."""


def _begin(work: Work, crew: Crew) -> None:
    global _worker  # noqa: PLW0603  the pool's way to give a process something of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    threading.Thread(target=_end_with_driver, name="miniseg-driver", daemon=True).start()
    _worker = Worker(work, crew)


def _end_with_driver() -> None:
    """A driver that was killed has told nobody; its workers would wait for more for ever."""
    driver = multiprocessing.parent_process()
    assert driver is not None  # noqa: S101  this runs in its child
    driver.join()
    os._exit(LOST_EXIT_CODE)


def _process(series: Series) -> Row:
    assert _worker is not None  # noqa: S101  `_begin` has run
    try:
        return _worker.process(series)
    except DeviceLostError:
        os._exit(LOST_EXIT_CODE)  # another process can use the GPU again
