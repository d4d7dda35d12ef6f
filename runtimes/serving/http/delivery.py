"""Sends an answer in pieces, so that a slow peer occupies little memory."""

from starlette.types import Send

from miniseg_edge.runtimes.serving.protocol.answers import Answer

_PIECE = 2**16
"""Bytes that may be buffered for a peer."""


async def deliver(answer: Answer, send: Send, *, last: bool = False) -> None:
    """Sends an answer; the connection drops a peer that does not receive it in time.

    Args:
        answer: to be sent.
        send: of the request, as in ASGI.
        last: whether the connection is to end with it.
    """
    length = len(answer.body) + len(answer.tail)
    headers = {**answer.headers, "Content-Length": str(length), **({"Connection": "close"} if last else {})}
    written = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": written})
    for part in (memoryview(answer.body), answer.tail):
        for first in range(0, len(part), _PIECE):
            piece = bytes(part[first : first + _PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
