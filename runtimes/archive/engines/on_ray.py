"""Workers as actors of Ray, here or on a cluster whose nodes come and go.

An actor is a process with one worker. It gets the next series as soon as it has none, so a fast crew takes more of them
than a slow one. An actor that dies, alone or with its node, is replaced. The new one starts as soon as the cluster has
room for it, and its series goes to the next actor that is free. Actors for which there is no room yet wait, so nodes
that are added get work.

Actor pools of Ray Data do not do the latter two: a task stays with its actor until that one is back, so a run would
wait forever for a node that does not return.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from miniseg_edge.errors import DeviceLostError, InferenceError, MiniSegError, WorkerDiedError
from miniseg_edge.runtimes.archive.engines.executors import DEATHS_OF_A_TASK
from miniseg_edge.runtimes.archive.engines.process import LOST_EXIT_CODE, Answering
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, ray_session
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.to_do import Queued
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker

TASKS_AT_ONCE = 4
"""For each processor of the cluster: enough that none waits for the next task."""

TRIES_OF_A_TASK = 10
"""A task is lost with its node, so it may be started more often than where only tasks end their processes."""

_LEAVE_S = 60.0
"""Time for the last rows of idle actors; the output folder has those of an actor that does not answer."""


def on_ray(work: Work, crews: Sequence[Crew], series: Queued, setting: RaySetting) -> Iterator[Row]:
    """Rows as they come. Raises: as `Worker.process`; InferenceError where Ray itself fails; WorkerDiedError."""
    with ray_session(setting, crews) as ray:
        seats = [_Seat(Worker(work, crew), crew.gpus) for crew in crews for _ in range(crew.workers)]
        seating = _Seating(ray, seats)
        try:
            yield from seating.answers(series)
        except ray.exceptions.RayError as error:
            raise InferenceError("Ray failed", because=type(error).__name__) from error
        finally:
            seating.close()


def answers_of_ray(
    crews: Sequence[Crew], answering: Answering, messages: Sequence[Any], setting: RaySetting
) -> Iterator[Any]:
    """Answers as they come, from tasks on whatever processors the cluster has at the time.

    Ray repeats a task whose node is gone. Raises: as `answering`; WorkerDiedError; InferenceError where Ray itself
    fails.
    """
    with ray_session(setting, crews) as ray:
        asked = ray.remote(num_cpus=1, max_retries=TRIES_OF_A_TASK - 1)(_answered)
        waiting, busy = iter(messages), list[Any]()
        try:
            told = ray.put(answering)
            while True:
                most = max(1, int(ray.cluster_resources().get("CPU", 1))) * TASKS_AT_ONCE
                free = range(most - len(busy))  # nodes come and go
                busy += (asked.remote(told, message) for _, message in zip(free, waiting, strict=False))
                if not busy:
                    return
                (ready, *_), busy = ray.wait(busy)
                answer = ray.get(ready)
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
            raise WorkerDiedError(
                "a task ended every process", expected="one that survives", got=f"{TRIES_OF_A_TASK} deaths"
            ) from error
        except ray.exceptions.RayError as error:
            raise InferenceError("Ray failed", because=type(error).__name__) from error


def _answered(answering: Answering, message: object) -> object:
    """Errors as answers: raised here, they would reach the driver as Ray's."""
    try:
        return answering(message)
    except (MiniSegError, OSError) as error:
        return error


class Actor:
    """What answers, in a Ray process."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def started(self) -> None:
        """Answers when the process is there."""

    def answer(self, message: object) -> object:
        """An answer, or an error. A process that has lost its GPU ends: another one can use the GPU again."""
        answer = _answered(self._answering, message)
        if isinstance(answer, DeviceLostError):
            os._exit(LOST_EXIT_CODE)
        return answer

    def leave(self) -> None:
        """Nothing is left to do. Raises: OutputError, if the last rows cannot be written to the table."""
        self._answering.leave()


@dataclass(eq=False)
class _Seat:
    """A worker's place: the actor that has it now, and what that one is at.

    Attributes:
        answering: what each of its actors is.
        gpus: that it reserves.
        actor: None before the first.
        message: that the actor has; None while it starts, and while it has none.
        unborn: actors in a row that died before they had started.
    """

    answering: Answering
    gpus: float
    actor: Any = None
    message: Any = None
    unborn: int = 0


class _Seating:
    """Seats at which actors answer messages, each message once. Thread-safety: none."""

    def __init__(self, ray: Any, seats: Sequence[_Seat]) -> None:
        self._ray, self._seats = ray, seats
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Actor)
        errors = ray.exceptions
        self._deaths = (errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError, errors.NodeDiedError)
        self._asked: dict[Any, _Seat] = {}
        self._free: list[_Seat] = []
        self._returned: list[Any] = []
        self._leaving: list[Any] = []

    def answers(self, messages: Queued) -> Iterator[Any]:
        """Answers as they come. Raises: what came as one; WorkerDiedError: no actor starts; RayError."""
        left, due = iter(messages), len(messages)
        for seat in self._seats[:due]:
            self._start(seat)
        while due:
            for ref in self._come():
                seat = self._asked.pop(ref)
                has_answered, seat.message, message = seat.message is not None, None, seat.message
                try:
                    answer = self._ray.get(ref)
                except self._deaths as error:
                    self._replace(seat, message, error)
                    has_answered = False
                else:
                    seat.unborn = 0
                    self._free.append(seat)
                self._hand_out(left)
                if has_answered:
                    if seat.message is None:
                        self._leaving.append(seat.actor.leave.remote())
                    if isinstance(answer, BaseException):
                        raise answer
                    due -= 1
                    yield answer

    def _come(self) -> list[Any]:
        """What has come, at least one: of a thousand actors' answers, each alone would take longer than its series."""
        (first, *_), others = self._ray.wait(list(self._asked))
        also = self._ray.wait(others, num_returns=len(others), timeout=0)[0] if others else ()
        return [first, *also]

    def close(self) -> None:
        """Ends all actors, once those with nothing left to do have written their last rows."""
        if self._leaving:
            self._ray.wait(self._leaving, num_returns=len(self._leaving), timeout=_LEAVE_S)
        for seat in self._seats:
            if seat.actor is not None:
                self._ray.kill(seat.actor)

    def _start(self, seat: _Seat) -> None:
        """Has an actor started, as soon as there is room for it."""
        seat.actor = self._actor.options(num_gpus=seat.gpus or None).remote(seat.answering)
        self._asked[seat.actor.started.remote()] = seat

    def _replace(self, seat: _Seat, message: Any, error: Exception) -> None:
        if message is not None:
            self._returned.append(message)
        else:
            seat.unborn += 1
        if seat.unborn == DEATHS_OF_A_TASK:
            raise WorkerDiedError("a worker's process cannot be started", because=_last_line(error)) from error
        self._ray.kill(seat.actor)  # which may only be out of reach
        self._start(seat)

    def _hand_out(self, left: Iterator[Any]) -> None:
        """Gives free actors messages, first those that others have left behind."""
        while self._free:
            message = self._returned.pop() if self._returned else next(left, None)
            if message is None:
                return
            seat = self._free.pop()
            seat.message = message
            self._asked[seat.actor.answer.remote(message)] = seat


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
