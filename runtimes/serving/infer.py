"""Handles a request for masks: admitted, read, processed and delivered."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError, RequestError, TooLargeError
from miniseg_edge.runtimes.serving.gate import Place
from miniseg_edge.runtimes.serving.http.body import Body
from miniseg_edge.runtimes.serving.http.connection import Standing, stand
from miniseg_edge.runtimes.serving.http.deadline import Deadline
from miniseg_edge.runtimes.serving.http.delivery import deliver
from miniseg_edge.runtimes.serving.protocol.answers import JSON_LENGTH, Answer, answer_of_error
from miniseg_edge.runtimes.serving.protocol.model import check_model
from miniseg_edge.runtimes.serving.service import Service

_log = logger_of(__name__)

_MAX_DIGITS = 15

_GONE = Answer(499, b"", code="GONE")
"""Counted and never sent: the client has disconnected."""


@dataclass(frozen=True)
class _Lengths:
    """Length of a body, and of the JSON in it if binary tensors follow."""

    body: int
    json: int | None


class Infer:
    """The endpoint for masks, an ASGI application.

    A request takes its place before its body is read and keeps it until its answer is delivered, so that the number of
    places limits the memory.
    """

    def __init__(self, service: Service) -> None:
        """Serves one model."""
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        start, request = time.monotonic(), Request(scope)
        deadline = Deadline(self._service.limits.deadline_s)
        try:
            check_model(self._service.model, request.path_params)
            lengths = _lengths(request.headers, self._service.limits.max_body_bytes)
            place = self._service.gate.enter()
        except MiniSegError as error:
            await self._finish((answer_of_error(error), 0), start, send)
            return
        with place:
            stand(scope, Standing.INSIDE)
            try:
                answered = await self._answered(receive, lengths, deadline, place)
            except MiniSegError as error:
                answered = answer_of_error(error), 0
            await self._finish(answered, start, send)
            stand(scope, Standing.KNOWN)

    async def _answered(
        self, receive: Receive, lengths: _Lengths, deadline: Deadline, place: Place
    ) -> tuple[Answer, int]:
        body = Body(lengths.body)
        try:
            if not await _received(receive, body, deadline):
                return _GONE, 0
            return await self._worked_on(receive, body, lengths.json, deadline, place)
        finally:
            deadline.give_up()
            body.forget()

    async def _worked_on(
        self, receive: Receive, body: Body, json_length: int | None, deadline: Deadline, place: Place
    ) -> tuple[Answer, int]:
        place.work = self._service.workers.submit(body, json_length, deadline)
        work, gone = asyncio.wrap_future(place.work), asyncio.create_task(_gone(receive))
        either: set[asyncio.Future[Any]] = {work, gone}
        try:
            await asyncio.wait(either, timeout=deadline.left_s(), return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not work.done():
                return _GONE, 0
            if not work.done():
                deadline.left_s()
            return await work
        finally:
            gone.cancel()
            work.cancel()

    async def _finish(self, answered: tuple[Answer, int], start: float, send: Send) -> None:
        answer, slices = answered
        seconds = time.monotonic() - start
        if answer is not _GONE:
            await deliver(answer, send)
        self._service.metrics.done(answer.status, answer.code, slices, seconds)
        _log.debug("%d %s, %d slices, %.1f ms", answer.status, answer.code or "done", slices, seconds * 1e3)


def _lengths(headers: Mapping[str, str], limit: int) -> _Lengths:
    """The declared lengths; both are enforced before any of the body is read.

    Raises:
        RequestError: missing or invalid lengths, or an encoded body. TooLargeError: over the limit.
    """
    if "transfer-encoding" in headers:
        raise RequestError("the body is chunked or encoded", expected="only Content-Length", got="Transfer-Encoding")
    if headers.get("content-encoding", "identity") != "identity":
        raise RequestError(
            "the body is compressed",
            expected="an uncompressed body",
            got="Content-Encoding",
            remedy="Send it without compression.",
        )
    if "content-length" not in headers:
        raise RequestError(
            "the body has no length",
            expected="Content-Length",
            got="none",
            remedy="Send it in one piece, with its length.",
        )
    length = _whole(headers["content-length"], "Content-Length")
    if length > limit:
        raise TooLargeError(
            "the request is too large", expected=f"at most {limit} bytes", got=f"{length}", remedy="Send fewer slices."
        )
    if JSON_LENGTH.lower() not in headers:
        return _Lengths(length, None)
    json_length = _whole(headers[JSON_LENGTH.lower()], JSON_LENGTH)
    if json_length > length:
        raise RequestError("the JSON is longer than the body", expected=f"at most {length} bytes", got=f"{json_length}")
    return _Lengths(length, json_length)


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise RequestError(f"{what} is invalid", expected="a whole number", got="something else")
    return int(text)


async def _received(receive: Receive, body: Body, deadline: Deadline) -> bool:
    """Fills a body; returns False if the client disconnects. Raises: DeadlineError if it does not arrive in time."""
    try:
        # One wait for all pieces: separate waits would cost the loop more than the pieces.
        return await asyncio.wait_for(_filled(receive, body), deadline.left_s())
    except asyncio.TimeoutError:
        deadline.left_s()
        raise


async def _filled(receive: Receive, body: Body) -> bool:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        body.add(message.get("body", b""))
        more = message.get("more_body", False)
    if not body.complete:
        raise RequestError("the body is shorter than its Content-Length", expected=f"{body.size} bytes", got="fewer")
    return True


async def _gone(receive: Receive) -> None:
    """Returns when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
