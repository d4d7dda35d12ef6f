"""What runs an archive's work, under one name each: this process, processes, or Ray; all give the same answers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from miniseg_edge.runtimes.archive.engines import executors
from miniseg_edge.runtimes.archive.engines.on_ray import answers_of_ray, on_ray
from miniseg_edge.runtimes.archive.engines.process import Answering
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, check_room, ray_session
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.to_do import Queued
from miniseg_edge.runtimes.archive.work import Crew, Work

IN_PROCESS, PROCESSES, RAY = EXECUTORS = ("in-process", "processes", "ray")


class Engine:
    """Runs work; Ray is started when there is some for it, and ends with this. Thread-safety: none."""

    def __init__(self, executor: str, crews: Sequence[Crew], ray: RaySetting | None) -> None:
        self._executor, self._crews, self._setting = executor, crews, ray or RaySetting()
        self._session = ExitStack()
        self._has_session = False
        self._lanes: tuple[Answering, executors.Lanes] | None = None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_lanes()
        self._session.close()

    def answers(self, answering: Answering, messages: Sequence[Any]) -> Iterator[Any]:
        """Answers in any order. One message alone is not worth another process. Raises: as `answering`."""
        if len(messages) <= 1 or self._executor == IN_PROCESS:
            return map(answering, messages)
        if self._executor == PROCESSES:
            return self._lanes_of(answering).answers(messages)
        self._start_ray()
        return answers_of_ray(self._crews, answering, messages, self._setting)

    def rows(self, work: Work, series: Queued) -> Iterator[Row]:
        """Rows as they come. Raises: as `Worker.process`."""
        self._end_lanes()
        if not len(series):
            return iter(())
        if self._executor == RAY:
            self._start_ray()
            return on_ray(work, self._crews, series, self._setting)
        run = executors.in_process if self._executor == IN_PROCESS else executors.processes
        return run(work, self._crews, series)

    def _lanes_of(self, answering: Answering) -> executors.Lanes:
        """The same processes for one step after the other."""
        if self._lanes is None or self._lanes[0] is not answering:
            self._end_lanes()
            kinds = [answering] * sum(crew.workers for crew in self._crews)
            self._lanes = answering, executors.Lanes(kinds, executors.repeated)
        return self._lanes[1]

    def _end_lanes(self) -> None:
        if self._lanes is not None:
            self._lanes[1].close()
            self._lanes = None

    def _start_ray(self) -> None:
        if not self._has_session:
            ray = self._session.enter_context(ray_session(self._setting, self._crews))
            self._has_session = True
            check_room(ray, self._crews)
