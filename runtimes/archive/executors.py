"""Who does the work on this machine: this process, or processes of their own. Ray is in `on_ray`."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from miniseg_edge.errors import WorkerDiedError
from miniseg_edge.runtimes.archive.process import Answering, AnsweringProcess
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker

DEATHS_OF_A_TASK = 3
"""Processes that may die of a task that is no series before the run stops."""


def serial(work: Work, crews: Sequence[Crew], series: Iterable[Series]) -> Iterator[Row]:
    """The first crew's first worker, in this process, in order. Raises: as `Worker.process`."""
    worker = Worker(work, crews[0])
    try:
        yield from map(worker.process, series)
    finally:
        worker.close()


def processes(work: Work, crews: Sequence[Crew], series: Iterable[Series]) -> Iterator[Row]:
    """A process for each worker, each with one series at a time; rows as they come. Raises: as `Worker.process`.

    Raises: as `Worker.process`.

    A worker that dies is replaced, and the new one gets its series and the number of its crashes.
    """
    return _answers([Worker(work, crew) for crew in crews for _ in range(crew.workers)], series)


def answers_of_processes(count: int, answering: Answering, messages: Sequence[Any]) -> Iterator[Any]:
    """Answers as they come, from that many processes. Raises: as `answering`; WorkerDiedError."""
    return _answers([answering] * count, messages, DEATHS_OF_A_TASK)


def _answers(kinds: Sequence[Answering], asked: Iterable[Any], most_deaths: int | None = None) -> Iterator[Any]:
    """Answers as they come, from a process of each kind; what is asked is taken as they become free."""
    waiting = iter(asked)
    lanes = list[_Lane]()
    try:
        busy: dict[Future[Any], _Lane] = {}
        for kind, message in zip(kinds, islice(waiting, len(kinds)), strict=False):
            lanes.append(_Lane(kind, most_deaths))
            busy[lanes[-1].submit(message)] = lanes[-1]
        while busy:
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                lane = busy.pop(future)
                answer = future.result()
                for message in islice(waiting, 1):
                    busy[lane.submit(message)] = lane
                yield answer
    finally:
        for lane in lanes:
            lane.close()


class _Lane:
    """A process with a thread that waits for it. One that dies is replaced, at what it was asked."""

    def __init__(self, kind: Answering, most_deaths: int | None) -> None:
        self._kind, self._most_deaths = kind, most_deaths
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="miniseg-lane")
        self._process: AnsweringProcess | None = None

    def submit(self, message: object) -> Future[Any]:
        return self._waiting.submit(self._answer, message)

    def close(self) -> None:
        """Waits for what is under way."""
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
            if deaths == self._most_deaths:
                raise WorkerDiedError(
                    "a task ended every process", expected="one that survives", got=f"{deaths} deaths"
                )

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
