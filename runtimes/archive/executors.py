"""Runs the workers on this machine: in this process, or in separate processes. Ray is in `on_ray`."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from miniseg_edge.runtimes.archive.process import WorkerProcess
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker


def serial(work: Work, crews: Sequence[Crew], series: Sequence[Series]) -> Iterator[Row]:
    """Runs the first crew's first worker in this process, in order. Raises: as `Worker.process`."""
    worker = Worker(work, crews[0])
    try:
        yield from map(worker.process, series)
    finally:
        worker.close()


def processes(work: Work, crews: Sequence[Crew], series: Sequence[Series]) -> Iterator[Row]:
    """Runs a process per worker, each with one series at a time; yields rows as they arrive.

    Raises: as `Worker.process`.

    A worker that dies is replaced, and the new one gets its series and the number of its crashes.
    """
    waiting = deque(series)
    kinds = [crew for crew in crews for _ in range(crew.workers)]
    lanes = [_Lane(work, crew) for crew in kinds[: len(waiting)]]
    try:
        busy = {lane.submit(waiting.popleft()): lane for lane in lanes}
        while busy:
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                lane = busy.pop(future)
                row = future.result()
                if waiting:
                    busy[lane.submit(waiting.popleft())] = lane
                yield row
    finally:
        for lane in lanes:
            lane.close()


class _Lane:
    """A worker's process with a thread that waits for it. A process that dies is replaced, and retries its series."""

    def __init__(self, work: Work, crew: Crew) -> None:
        self._told = work, crew
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="miniseg-lane")
        self._process: WorkerProcess | None = None

    def submit(self, series: Series) -> Future[Row]:
        return self._waiting.submit(self._row, series)

    def close(self) -> None:
        """Waits for the running series."""
        self._waiting.shutdown(wait=True, cancel_futures=True)
        self._end()

    def _row(self, series: Series) -> Row:
        while True:
            if self._process is None:
                self._process = WorkerProcess(*self._told)
            if (row := self._process.process(series)) is not None:
                return row
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
