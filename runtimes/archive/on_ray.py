"""Workers as actors of Ray Data, here or on a cluster.

Each crew is an actor pool that maps tickets, one per series, and asks the desk for the next series: so a fast crew
takes more of them than a slow one. Ray Data does the rest: it hands out no more than there are actors, restarts those
that die, repeats their work, and passes rows to the driver as they arrive.
"""

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from miniseg_edge import errors
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import DeviceLostError, InferenceError, MiniSegError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.output_folder import row_from_json
from miniseg_edge.runtimes.archive.process import LOST_EXIT_CODE
from miniseg_edge.runtimes.archive.ray_session import RaySetting, ray_session, unwarned
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker

_TICKET, _ROW, _ERROR = "item", "row", "error"


def on_ray(work: Work, crews: Sequence[Crew], series: Sequence[Series], setting: RaySetting) -> Iterator[Row]:
    """Rows as they arrive. Raises: as `Worker.process`; InferenceError if Ray itself fails."""
    with ray_session(setting, crews) as ray:
        desk = ray.remote(num_cpus=0)(Desk).remote(series)
        with unwarned():
            pools = [
                _tickets(len(series)).map(Actor, **_pool(crew, (work, crew, desk, index)))
                for index, crew in enumerate(crews)
            ]
            found = iter(reduce(lambda one, other: one.union(other), pools).iter_rows())
        try:
            while (row := _next(found)) is not None:
                if row[_ERROR]:
                    raise _error_from(row[_ERROR])
                if row[_ROW]:
                    yield row_from_json(row[_ROW].encode())
        except ray.exceptions.RayError as error:
            raise InferenceError("Ray failed", because=type(error).__name__) from error


class Desk:
    """Hands out series, in order; it is a single actor, so one call at a time."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._waiting = deque(series)
        self._given: dict[tuple[int, int], Series | None] = {}

    def next(self, crew: int, ticket: int) -> Series | None:
        """The series for a ticket: the same one again if its actor died; None if none is left."""
        if (crew, ticket) not in self._given:
            self._given[crew, ticket] = self._waiting.popleft() if self._waiting else None
        return self._given[crew, ticket]


class Actor:
    """A worker in a Ray process."""

    def __init__(self, work: Work, crew: Crew, desk: Any, index: int) -> None:
        self._worker, self._desk, self._crew = Worker(work, crew), desk, index

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """A ticket -> the row of its series, as JSON; "" if none is left. Errors that stop the run are returned too."""
        ray: Any = require("ray", "scale")
        series = ray.get(self._desk.next.remote(self._crew, int(row[_TICKET])))
        if series is None:
            return {_ROW: "", _ERROR: ""}
        try:
            return {_ROW: json_from_record(self._worker.process(series)), _ERROR: ""}
        except DeviceLostError:
            os._exit(LOST_EXIT_CODE)  # Ray starts another process, which can use the GPU again
        except MiniSegError as error:  # raised here, it would reach the driver as a Ray error
            return {_ROW: "", _ERROR: json.dumps([type(error).__name__, error.problem, error.details])}


def _next(rows: Iterator[dict[str, str]]) -> dict[str, str] | None:
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
