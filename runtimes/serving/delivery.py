"""An answer on its way out: in pieces, so that a peer that reads slowly holds up little memory, and not for ever."""

import asyncio
import logging

from starlette.types import Send

from miniseg_edge.runtimes.serving.answers import Answer

_log = logging.getLogger(__name__)

_PIECE = 2**16
"""Bytes that may wait for a peer."""


async def deliver(answer: Answer, send: Send, limit_s: float) -> None:
    """Sends an answer; one that a peer does not take in time is broken off, and the connection with it."""
    try:
        await asyncio.wait_for(_sent(answer, send), limit_s)
    except asyncio.TimeoutError:
        _log.warning("an answer was not taken in time")


async def _sent(answer: Answer, send: Send) -> None:
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    written = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    body = memoryview(answer.body)
    await send({"type": "http.response.start", "status": answer.status, "headers": written})
    for first in range(0, len(body), _PIECE):
        piece = bytes(body[first : first + _PIECE])
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
