"""Workers as actors of Ray, here or on a cluster whose nodes come and go.

An actor is a process with one worker. It gets the next series as soon as it has none, so a fast crew takes more of them
than a slow one. With many actors, each gets several series at a time, because the driver can take only so many answers
a second. Fewer are handed out towards the end, so that all actors end at about the same time: guided self-scheduling
(Polychronopoulos and Kuck, 1987).

An actor that dies, alone or with its node, is replaced. The new one starts as soon as the cluster has room for it, and
its series go to the next actor that is free, which recognises those that are done. Actors for which there is no room
yet wait, so nodes that are added get work.

Actor pools of Ray Data do not do the latter two: a task stays with its actor until that one is back, so a run would
wait forever for a node that does not return.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Any

from miniseg_edge.errors import DeviceLostError, InferenceError, MiniSegError, WorkerDiedError
from miniseg_edge.runtimes.archive.engines.executors import DEATHS_OF_A_TASK, AfterDeaths
from miniseg_edge.runtimes.archive.engines.process import LOST_EXIT_CODE, Answering
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, ray_session
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.to_do import Queued
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.archive.worker import Worker, after_deaths

TASKS_AT_ONCE = 4
"""For each processor of the cluster: enough that none waits for the next task."""

TRIES_OF_A_TASK = 10
"""A task is lost with its node, so it may be started more often than where only tasks end their processes."""

ACTORS_PER_MESSAGE = 50
"""An actor gets one more message at a time for each so many actors: about as many answers come from any number."""

MOST_AT_ONCE = 20
"""Messages for an actor: the driver has those of all actors in memory."""

ROUNDS_LEFT = 4
"""An actor gets several messages at a time only while there are so many times more for each actor."""

_LEAVE_S = 60.0
"""Time for the last rows of idle actors; the output folder has those of an actor that does not answer."""


def on_ray(work: Work, crews: Sequence[Crew], series: Queued, setting: RaySetting) -> Iterator[Row]:
    """Rows as they come. Raises: as `Worker.process`; InferenceError where Ray itself fails; WorkerDiedError."""
    with ray_session(setting, crews) as ray:
        seats = [_Seat(Worker(work, crew), crew.gpus) for crew in crews for _ in range(crew.workers)]
        seating = _Seating(ray, seats, setting.at_once, after_deaths)
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

    def answers(self, messages: Sequence[object]) -> list[object]:
        """An answer to each, up to an error, which is the last one.

        A process that has lost its GPU ends: another one can use the GPU again.
        """
        found = list[object]()
        for message in messages:
            found.append(_answered(self._answering, message))
            if isinstance(found[-1], DeviceLostError):
                os._exit(LOST_EXIT_CODE)
            if isinstance(found[-1], BaseException):
                break
        return found

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
        messages: that the actor has; none while it starts.
        unborn: actors in a row that died before they had started.
    """

    answering: Answering
    gpus: float
    actor: Any = None
    messages: Sequence[Any] = ()
    unborn: int = 0


class _Seating:
    """Seats at which actors answer messages, each message once. Thread-safety: none."""

    def __init__(self, ray: Any, seats: Sequence[_Seat], at_once: int | None, after: AfterDeaths) -> None:
        self._ray, self._seats, self._at_once, self._after = ray, seats, at_once, after
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Actor)
        errors = ray.exceptions
        self._deaths = (errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError, errors.NodeDiedError)
        self._asked: dict[Any, _Seat] = {}
        self._free: list[_Seat] = []
        self._returned: list[Any] = []
        self._died_of = Counter[Any]()
        self._leaving: list[Any] = []

    def answers(self, messages: Queued) -> Iterator[Any]:
        """Answers as they come. Raises: what came as one; WorkerDiedError: no actor starts; RayError."""
        waiting, due = _Waiting(messages, len(self._seats), self._at_once), len(messages)
        for seat in self._seats[:due]:
            self._start(seat)
        while due:
            for ref in self._come():
                seat = self._asked.pop(ref)
                answers = self._answers(seat, ref)
                self._hand_out(waiting)
                if answers and not seat.messages:
                    self._leaving.append(seat.actor.leave.remote())
                for answer in answers:
                    if isinstance(answer, BaseException):
                        raise answer
                    due -= 1
                    yield answer

    def _answers(self, seat: _Seat, ref: Any) -> Sequence[Any]:
        """What has come from a seat's actor: none, if it has only started, or is gone."""
        asked, seat.messages = seat.messages, ()
        try:
            answers = self._ray.get(ref)
        except self._deaths as error:
            self._replace(seat, asked, error)
            return ()
        seat.unborn = 0
        self._free.append(seat)
        return answers if asked else ()

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

    def _replace(self, seat: _Seat, asked: Sequence[Any], error: Exception) -> None:
        seat.unborn += not asked
        for message in asked:
            self._died_of[message] += 1
            self._returned.append(self._after(message, self._died_of[message]))
        if seat.unborn == DEATHS_OF_A_TASK:
            raise WorkerDiedError("a worker's process cannot be started", because=_last_line(error)) from error
        self._ray.kill(seat.actor)  # which may only be out of reach
        self._start(seat)

    def _hand_out(self, waiting: "_Waiting") -> None:
        """Gives free actors messages, first those that others have left behind: one by one, since one may be deadly."""
        while self._free:
            messages = [self._returned.pop()] if self._returned else waiting.next()
            if not messages:
                return
            seat = self._free.pop()
            seat.messages = messages
            self._asked[seat.actor.answers.remote(messages)] = seat


class _Waiting:
    """Messages that are not handed out yet."""

    def __init__(self, messages: Queued, actors: int, at_once: int | None) -> None:
        self._messages, self._left, self._actors, self._at_once = iter(messages), len(messages), actors, at_once

    def next(self) -> Sequence[Any]:
        """Those for an actor; none at the end."""
        found = list(islice(self._messages, self._at_once or messages_at_once(self._left, self._actors)))
        self._left -= len(found)
        return found


def messages_at_once(left: int, actors: int) -> int:
    """How many of those left an actor gets at a time, one at least."""
    most = min(ceil(actors / ACTORS_PER_MESSAGE), MOST_AT_ONCE)
    return max(1, min(most, left // (ROUNDS_LEFT * actors)))


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
