"""A request for masks on its way through the service: let in, read, worked on and delivered."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from miniseg_edge.errors import MiniSegError, RequestError, TooLargeError
from miniseg_edge.runtimes.serving.answers import JSON_LENGTH, Answer, answer_of_error
from miniseg_edge.runtimes.serving.deadline import Deadline
from miniseg_edge.runtimes.serving.delivery import deliver
from miniseg_edge.runtimes.serving.gate import Place
from miniseg_edge.runtimes.serving.model import check_model
from miniseg_edge.runtimes.serving.service import Service

_log = logging.getLogger(__name__)

_MAX_DIGITS = 15

_GONE = Answer(499, b"", code="GONE")
"""Counted and never sent: the client has gone away."""


class Infer:
    """The endpoint for masks, an ASGI application.

    A request takes its place before its body is read and keeps it until its answer is delivered, so that the service's
    places bound what it holds in memory.
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
            json_length = _json_length(request.headers, self._service.limits.max_body_bytes)
            place = self._service.gate.enter()
        except MiniSegError as error:
            await self._finish((answer_of_error(error), 0), start, send)
            return
        with place:
            try:
                answered = await self._answered(receive, json_length, deadline, place)
            except MiniSegError as error:
                answered = answer_of_error(error), 0
            except Exception as error:
                _log.exception("a request failed")
                answered = answer_of_error(MiniSegError("the service failed", "", type(error).__name__)), 0
            await self._finish(answered, start, send)

    async def _answered(
        self, receive: Receive, json_length: int | None, deadline: Deadline, place: Place
    ) -> tuple[Answer, int]:
        body = await _body(receive, deadline)
        if body is None:
            return _GONE, 0
        place.work = self._service.lanes.submit(body, json_length, deadline)
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
            deadline.give_up()
            work.cancel()

    async def _finish(self, answered: tuple[Answer, int], start: float, send: Send) -> None:
        answer, slices = answered
        seconds = time.monotonic() - start
        if answer is not _GONE:
            await deliver(answer, send, self._service.limits.deadline_s)
        self._service.metrics.done(answer.status, answer.code, slices, seconds)
        _log.debug("%d %s, %d slices, %.1f ms", answer.status, answer.code or "done", slices, seconds * 1e3)


def _json_length(headers: Mapping[str, str], limit: int) -> int | None:
    """Of the JSON in the body where binary tensors follow; both lengths are held to before any of it is read.

    Raises:
        RequestError: unknown, or no lengths; or a body that is compressed. TooLargeError: over the limit.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise RequestError("a compressed body", "one as it is", "Content-Encoding", "Send it without compression.")
    if "content-length" not in headers:
        raise RequestError("a body of unknown length", "Content-Length", "none", "Send it in one piece.")
    length = _whole(headers["content-length"], "Content-Length")
    if length > limit:
        raise TooLargeError("a request is too large", f"at most {limit} bytes", f"{length}", "Send fewer slices.")
    if JSON_LENGTH.lower() not in headers:
        return None
    json_length = _whole(headers[JSON_LENGTH.lower()], JSON_LENGTH)
    if json_length > length:
        raise RequestError("the JSON is longer than the body", f"at most {length} bytes", f"{json_length}")
    return json_length


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise RequestError(f"{what} makes no sense", "a whole number", "something else")
    return int(text)


async def _body(receive: Receive, deadline: Deadline) -> bytearray | None:
    """All of it, or None if the client goes away. Raises: DeadlineError, it does not come in time."""
    try:
        return await asyncio.wait_for(_received(receive), deadline.left_s())
    except asyncio.TimeoutError:
        deadline.left_s()
        raise


async def _received(receive: Receive) -> bytearray | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _gone(receive: Receive) -> None:
    """Ends when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
