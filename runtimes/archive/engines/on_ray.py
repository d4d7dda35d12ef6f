"""Workers as actors of Ray Data, here or on a cluster.

Each crew is an actor pool that maps tickets, and asks the desk which series comes next: so a fast crew takes more of
them than a slow one, and Ray Data does the rest: hand out no more than there are actors, restart those that die, repeat
what they were at, and let the driver take rows as they come. A ticket is for one series, of large archives for several,
so that the driver has no more than `MAX_TICKETS`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from miniseg_edge import errors
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import DeviceLostError, InferenceError, MiniSegError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.engines.process import LOST_EXIT_CODE, Answering
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, ray_session, unwarned
from miniseg_edge.runtimes.archive.output_folder import row_from_json
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.to_do import Queued
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker

MAX_TICKETS = 4096
"""Of a crew. Ray Data keeps a record of each in the driver."""

TASKS_AT_ONCE = 4
"""For each processor of the cluster: enough that none waits for the next task."""

_TICKET, _CREW, _ROWS, _ERROR = "item", "crew", "rows", "error"


def on_ray(work: Work, crews: Sequence[Crew], series: Queued, setting: RaySetting) -> Iterator[Row]:
    """Rows as they come. Raises: as `Worker.process`; InferenceError where Ray itself fails."""
    with ray_session(setting, crews) as ray:
        desk = ray.remote(num_cpus=0, scheduling_strategy=_here(ray))(Desk).remote(series)
        tickets = min(len(series), MAX_TICKETS)
        share = -(-len(series) // max(1, tickets))
        with unwarned():
            pools = [
                _tickets(tickets).map(Actor, **_pool(crew, (work, crew, desk, index, share)))
                for index, crew in enumerate(crews)
            ]
            found = iter(reduce(lambda one, other: one.union(other), pools).iter_rows())
        try:
            while (ticket := _next(found)) is not None:
                if ticket[_ERROR]:
                    raise _error_from(ticket[_ERROR])
                desk.forget.remote(int(ticket[_CREW]), int(ticket[_TICKET]))
                for row in ticket[_ROWS]:
                    yield row_from_json(row.encode())
        except ray.exceptions.RayError as error:
            raise InferenceError("Ray failed", because=type(error).__name__) from error


def answers_of_ray(
    crews: Sequence[Crew], answering: Answering, messages: Sequence[Any], setting: RaySetting
) -> Iterator[Any]:
    """Answers as they come, from tasks on whatever processors the cluster has.

    These are a few hundred tasks with small answers: Ray's own tasks, which it repeats where a machine goes, do; Ray
    Data would plan for longer than they take. Raises: as `answering`; InferenceError where Ray itself fails.
    """
    with ray_session(setting, crews) as ray:
        asked = ray.remote(num_cpus=1, max_retries=-1)(_answered)
        waiting = iter(messages)
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * TASKS_AT_ONCE
        try:
            told = ray.put(answering)
            busy = [asked.remote(told, message) for _, message in zip(range(most), waiting, strict=False)]
            while busy:
                (ready, *_), busy = ray.wait(busy)
                answer = ray.get(ready)
                if isinstance(answer, BaseException):
                    raise answer
                busy += (asked.remote(told, message) for _, message in zip(range(1), waiting, strict=False))
                yield answer
        except ray.exceptions.RayError as error:
            raise InferenceError("Ray failed", because=type(error).__name__) from error


def _answered(answering: Answering, message: object) -> object:
    """Errors as answers: raised here, they would reach the driver as Ray's."""
    try:
        return answering(message)
    except (MiniSegError, OSError) as error:
        return error


def _here(ray: Any) -> Any:
    """On the driver's machine, which stays as long as the run does."""
    strategies: Any = require("ray.util.scheduling_strategies", "scale")
    return strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


class Desk:
    """Hands out series, in order; it is a single actor, so one call at a time."""

    def __init__(self, series: Queued) -> None:
        self._waiting = iter(series)
        self._given: dict[tuple[int, int], dict[int, Series | None]] = {}

    def next(self, crew: int, ticket: int, index: int) -> Series | None:
        """The series for a place of a ticket: the same one again if its actor died; None if all are given."""
        given = self._given.setdefault((crew, ticket), {})
        if index not in given:
            given[index] = next(self._waiting, None)
        return given[index]

    def forget(self, crew: int, ticket: int) -> None:
        """The driver has the ticket's rows."""
        self._given.pop((crew, ticket), None)


class Actor:
    """A worker in a Ray process."""

    def __init__(self, work: Work, crew: Crew, desk: Any, index: int, share: int) -> None:
        self._worker, self._desk, self._crew, self._share = Worker(work, crew), desk, index, share

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A ticket -> the rows of its series, as JSON; none if none is left. What stops the run is told likewise."""
        ticket, rows = int(row[_TICKET]), list[str]()
        answer = {_TICKET: ticket, _CREW: self._crew, _ROWS: rows, _ERROR: ""}
        ray: Any = require("ray", "scale")
        try:
            for index in range(self._share):
                series = ray.get(self._desk.next.remote(self._crew, ticket, index))
                if series is None:
                    self._worker.leave()
                    break
                rows.append(json_from_record(self._worker.process(series)))
        except DeviceLostError:
            os._exit(LOST_EXIT_CODE)  # Ray starts another process, which can use the GPU again
        except MiniSegError as error:  # raised here, it would reach the driver as one of Ray's
            answer[_ERROR] = json.dumps([type(error).__name__, error.problem, error.details])
        return answer


def _next(rows: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    with unwarned():
        return next(rows, None)


def _tickets(count: int) -> Any:
    """One block per ticket, so that each is a task, and each row arrives as soon as it is ready."""
    data: Any = require("ray.data", "scale")
    return data.from_items(list(range(count)), override_num_blocks=count)


def _pool(crew: Crew, told: tuple[object, ...]) -> dict[str, Any]:
    data: Any = require("ray.data", "scale")
    return {
        "compute": data.ActorPoolStrategy(size=crew.workers, max_tasks_in_flight_per_actor=2),
        "fn_constructor_args": told,
        **{"num_cpus": 1, "num_gpus": crew.gpus or None},
        **{"max_restarts": -1, "max_task_retries": -1},  # the output folder counts the attempts, and ends them
    }


def _error_from(text: str) -> MiniSegError:
    name, problem, details = json.loads(text)
    found: MiniSegError = getattr(errors, name)(problem, **details)
    return found
