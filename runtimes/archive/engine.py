"""What runs an archive's work, under one name each: this process, processes, or Ray; all give the same answers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from miniseg_edge.runtimes.archive import executors
from miniseg_edge.runtimes.archive.on_ray import answers_of_ray, on_ray
from miniseg_edge.runtimes.archive.process import Answering
from miniseg_edge.runtimes.archive.ray_session import RaySetting, ray_session
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.to_do import Queued
from miniseg_edge.runtimes.archive.work import Crew, Work

SERIAL, PROCESSES, RAY = EXECUTORS = ("serial", "processes", "ray")


class Engine:
    """Runs work; Ray is started when there is some for it, and ends with this. Thread-safety: none."""

    def __init__(self, executor: str, crews: Sequence[Crew], ray: RaySetting | None) -> None:
        self._executor, self._crews, self._setting = executor, crews, ray or RaySetting()
        self._session = ExitStack()
        self._has_session = False

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()

    def answers(self, answering: Answering, messages: Sequence[Any]) -> Iterator[Any]:
        """Answers in any order. One message alone is not worth another process. Raises: as `answering`."""
        if len(messages) <= 1 or self._executor == SERIAL:
            return map(answering, messages)
        if self._executor == PROCESSES:
            return executors.answers_of_processes(sum(one.workers for one in self._crews), answering, messages)
        self._start_ray()
        return answers_of_ray(self._crews, answering, messages, self._setting)

    def rows(self, work: Work, series: Queued) -> Iterator[Row]:
        """Rows as they come. Raises: as `Worker.process`."""
        if not len(series):
            return iter(())
        if self._executor == RAY:
            self._start_ray()
            return on_ray(work, self._crews, series, self._setting)
        run = executors.serial if self._executor == SERIAL else executors.processes
        return run(work, self._crews, series)

    def _start_ray(self) -> None:
        if not self._has_session:
            self._session.enter_context(ray_session(self._setting, self._crews))
            self._has_session = True
