"""Who does the work on this machine: this process, or processes of their own. Ray is in `on_ray`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from miniseg_edge.errors import WorkerDiedError
from miniseg_edge.runtimes.archive.engines.process import Answering, AnsweringProcess
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker, after_deaths

DEATHS_OF_A_TASK = 3
"""Processes that may die of a task other than a series before the run stops."""

AfterDeaths = Callable[[Any, int], Any]
"""What to ask the next process, once so many have died of a message. Raises: WorkerDiedError."""


def in_process(work: Work, crews: Sequence[Crew], series: Iterable[Series]) -> Iterator[Row]:
    """The first crew's first worker, in this process, in order. Raises: as `Worker.process`."""
    worker = Worker(work, crews[0])
    try:
        yield from map(worker.process, series)
    finally:
        worker.close()


def processes(work: Work, crews: Sequence[Crew], series: Iterable[Series]) -> Iterator[Row]:
    """A process for each worker, each with one series at a time; rows as they come. Raises: as `Worker.process`.

    A worker that dies is replaced, and the new one gets its series.
    """
    lanes = Lanes([Worker(work, crew) for crew in crews for _ in range(crew.workers)], after_deaths)
    try:
        yield from lanes.answers(series)
    finally:
        lanes.close()


def repeated(message: Any, deaths: int) -> Any:
    """As `AfterDeaths`, of a task other than a series."""
    if deaths == DEATHS_OF_A_TASK:
        raise WorkerDiedError("a task ended every process", expected="one that survives", got=f"{deaths} deaths")
    return message


class Lanes:
    """A process for each of what answers, from its first message on. Thread-safety: none."""

    def __init__(self, kinds: Sequence[Answering], after: AfterDeaths) -> None:
        self._lanes = [_Lane(kind, after) for kind in kinds]

    def answers(self, asked: Iterable[Any]) -> Iterator[Any]:
        """Answers as they come; messages are taken as processes become free.

        Raises: as what answers; WorkerDiedError.
        """
        waiting = iter(asked)
        busy = {lane.submit(message): lane for lane, message in zip(self._lanes, waiting, strict=False)}
        while busy:
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                lane = busy.pop(future)
                answer = future.result()
                for message in islice(waiting, 1):
                    busy[lane.submit(message)] = lane
                yield answer

    def close(self) -> None:
        """Waits for running tasks; may be called twice."""
        for lane in self._lanes:
            lane.close()


class _Lane:
    """A process with a thread that waits for it. One that dies is replaced, at what it was asked."""

    def __init__(self, kind: Answering, after: AfterDeaths) -> None:
        self._kind, self._after = kind, after
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="miniseg-lane")
        self._process: AnsweringProcess | None = None

    def submit(self, message: object) -> Future[Any]:
        return self._waiting.submit(self._answer, message)

    def close(self) -> None:
        """Waits for running tasks."""
        self._waiting.shutdown(wait=True, cancel_futures=True)
        self._end()

    def _answer(self, message: object) -> Any:
        deaths = 0
        while True:
            if self._process is None:
                self._process = AnsweringProcess(self._kind)
            if (answer := self._process.ask(message)) is not None:
                return answer
            self._end()
            deaths += 1
            asked, message = message, self._after(message, deaths)
            if message is not asked:
                deaths = 0

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
