"""A connection: HTTP/1.1, parsed by h11, in front of an ASGI application. Every wait and every buffer is limited."""

import asyncio
import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import h11
from starlette.types import ASGIApp, Message, Scope

from miniseg_edge.errors import MiniSegError, RequestError, TooLargeError
from miniseg_edge.runtimes.serving.http.exchange import Exchange
from miniseg_edge.runtimes.serving.http.seldom import Seldom
from miniseg_edge.runtimes.serving.protocol.answers import answer_of_error

MAX_HEAD = 2**14
"""Bytes of a request line and its headers."""

PIECE = 2**16
"""Bytes that are read at once, and that may be buffered for the application or for a peer."""

_MAX_DISCARDED = 2**28
_CLOSE = (b"connection", b"close")


class Standing(enum.IntEnum):
    """How much a connection's peer has proved; the lowest is dropped first if there is no room."""

    STRANGER = 0
    KNOWN = 1
    INSIDE = 2


@dataclass(frozen=True)
class Patience:
    """Time limits of a peer in seconds, after which its connection is dropped.

    Attributes:
        head_s: from the connection's start, or a request's first byte, until the request's headers have arrived; a TLS
            handshake may take as long before that.
        idle_s: between two requests.
        answer_s: to receive an answer, from its first byte to its last.
        linger_s: to read the last answer and close, while further bytes from the peer are discarded.
    """

    head_s: float = 5.0
    idle_s: float = 30.0
    answer_s: float = 10.0
    linger_s: float = 5.0


class Connection(asyncio.BufferedProtocol):
    """One peer. It belongs to one event loop.

    Attributes:
        standing: of the peer; set by the application with `stand`.
        since: when the peer last completed a request, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        application: ASGIApp,
        patience: Patience,
        room: bytearray,
        seldom: Seldom,
        closed: Callable[["Connection"], None],
    ) -> None:
        """Calls `closed` when it ends. `room`, of `PIECE` bytes, may be shared by all connections of a loop."""
        self.standing, self.since = Standing.STRANGER, time.monotonic()
        self.opening: asyncio.Task[None] | None = None
        self._application, self._patience, self._seldom, self._closed = application, patience, seldom, closed
        self._room = memoryview(room)
        self._http = h11.Connection(h11.SERVER, MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._writable = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._fed = 0  # since the last request ended
        self._discarded = 0
        self._half_closed = self._ending = self._finishing = self._asks_head = False

    def drop(self) -> None:
        """Drops the connection immediately."""
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def finish(self) -> None:
        """Ends the connection after the current answer, or at once."""
        self._finishing = True
        if self._transport is None:
            self.drop()
        elif self._exchange is None and not self._ending:
            self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first request's headers."""
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()
        self._wait(self._patience.head_s)

    def connection_lost(self, error: Exception | None) -> None:
        """Wakes everything that waits."""
        self._stop_waiting()
        if self._exchange is not None:
            self._exchange.finish()
            self._exchange = None
        self._ending = True
        self._writable.set()
        self._closed(self)

    def pause_writing(self) -> None:
        """The peer reads more slowly than the application writes."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next bytes; they are copied before anything else is read."""
        return self._room

    def buffer_updated(self, count: int) -> None:
        """Takes bytes in."""
        if self._ending:
            self._discard(count)
            return
        if self._exchange is None and not self._fed:
            self._wait(self._patience.head_s)
        self._fed += count
        self._http.receive_data(bytes(self._room[:count]))
        self._proceed()

    def eof_received(self) -> bool:
        """The peer has closed its sending side; returns whether it still gets an answer. Over TLS it cannot."""
        self._half_closed = True
        if self._exchange is None:
            self._end()  # what was written is still delivered
            return False
        if not self._exchange.complete:
            self.drop()
            return False
        return self._open.get_extra_info("sslcontext") is None

    def _proceed(self) -> None:
        """Processes the received bytes."""
        while not self._ending:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(_error_of(error.error_status_hint), error.error_status_hint)
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data) and self._exchange is not None:
                self._exchange.put(bytes(event.data))
                if self._exchange.held > PIECE:
                    self._open.pause_reading()
            elif isinstance(event, h11.EndOfMessage) and self._exchange is not None:
                self._exchange.end()
            else:
                if self._exchange is not None and self._exchange.complete:
                    if self._http.trailing_data[0]:
                        self._open.pause_reading()  # the next request waits for this one's answer
                    else:
                        self._open.resume_reading()  # so that its end is seen
                return

    @property
    def _open(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101  nothing comes before it is made
        return self._transport

    def _begin(self, request: h11.Request) -> None:
        self._stop_waiting()
        self.since, self._asks_head = time.monotonic(), request.method == b"HEAD"
        if self._fed - len(self._http.trailing_data[0]) > MAX_HEAD:
            self._refuse(_error_of(431), 431)
            return
        if any(name == b"transfer-encoding" for name, _ in request.headers):
            self._refuse(
                RequestError(
                    "the body is chunked or encoded",
                    expected="only Content-Length",
                    got="Transfer-Encoding",
                    remedy="Send it in one piece, with its length.",
                )
            )
            return
        exchange = Exchange(_scope_of(request, self))
        self._exchange = exchange
        exchange.task = asyncio.get_running_loop().create_task(self._served(exchange))

    async def _served(self, exchange: Exchange) -> None:
        async def receive() -> Message:
            return await self._receive(exchange)

        async def send(message: Message) -> None:
            await self._send(exchange, message)

        try:
            await self._application(exchange.scope, receive, send)
        except Exception as error:
            self._seldom.warn("a request failed", error=error)
        if not exchange.over:
            self.drop()

    async def _receive(self, exchange: Exchange) -> Message:
        while (message := exchange.take()) is None:
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            if not exchange.complete:
                self._open.resume_reading()
            exchange.changed.clear()
            await exchange.changed.wait()
        return message

    async def _send(self, exchange: Exchange, message: Message) -> None:
        await self._writable.wait()
        if exchange.over or self._open.is_closing():
            return
        if message["type"] == "http.response.start":
            self._wait(self._patience.answer_s)
            silent = self._half_closed and not self._http.trailing_data[0]
            last = self._finishing or silent or not exchange.complete
            self._write(_response(message["status"], [*message["headers"], *([_CLOSE] if last else [])]))
            return
        data = b"" if self._asks_head else message.get("body", b"")
        if data:
            self._write(h11.Data(data=data))
        if not message.get("more_body", False):
            self._write(h11.EndOfMessage())
            self._answered(exchange)

    def _write(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._open.write(data)

    def _answered(self, exchange: Exchange) -> None:
        exchange.finish()
        self._exchange, self._asks_head = None, False
        self.since = time.monotonic()
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._end()
            return
        self._http.start_next_cycle()
        self._fed = len(self._http.trailing_data[0])
        self._wait(self._patience.head_s if self._fed else self._patience.idle_s)
        self._open.resume_reading()
        self._proceed()

    def _refuse(self, error: MiniSegError, status: int | None = None) -> None:
        """Answers a request that never reached the application, and ends the connection."""
        if self._exchange is not None or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.drop()
            return
        answer = answer_of_error(error)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers += [(b"content-length", str(len(answer.body)).encode()), _CLOSE]
        self._write(_response(status or answer.status, headers))
        if not self._asks_head:
            self._write(h11.Data(data=answer.body))
        self._write(h11.EndOfMessage())
        self._end()

    def _end(self) -> None:
        """Nothing is answered any more, but the peer's bytes are still read: a reset would destroy the last answer."""
        self._ending = True
        self._wait(self._patience.linger_s)
        if self._open.is_closing():
            return
        if self._half_closed:
            self._open.close()
        elif self._open.can_write_eof():
            try:
                self._open.write_eof()
            except OSError:  # the peer has disconnected, which the system noticed first
                self.drop()
            else:
                self._open.resume_reading()
        elif self._finishing or self._http.their_state in (h11.DONE, h11.MUST_CLOSE):
            self._open.close()
        else:
            self._open.resume_reading()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > _MAX_DISCARDED:
            self.drop()

    def _wait(self, seconds: float) -> None:
        """Drops the peer after this many seconds, unless something else happens before."""
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        if self._exchange is not None:
            self._seldom.warn("an answer was not taken in time")
        self.drop()


def stand(scope: Scope, standing: Standing) -> None:
    """Sets how much a request's peer has proved; has no effect without a connection, as in tests."""
    if (connection := scope.get("state", {}).get("connection")) is not None:
        connection.standing = standing


def _scope_of(request: h11.Request, connection: Connection) -> Scope:
    path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version.decode("ascii"),
        "scheme": "http",
        "method": request.method.decode("ascii"),
        "root_path": "",
        "path": unquote(path.decode("ascii", "replace")),
        "raw_path": path,
        "query_string": query,
        "headers": [(name, value) for name, value in request.headers],
        "state": {"connection": connection},
    }


def _response(status: int, headers: list[tuple[bytes, bytes]]) -> h11.Response:
    date = (b"date", formatdate(usegmt=True).encode())
    return h11.Response(status_code=status, headers=[date, *headers], reason=_phrase(status))


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _error_of(status: int) -> MiniSegError:
    if status == 431:
        return TooLargeError("a request's headers are too large", expected=f"at most {MAX_HEAD} bytes", got="more")
    return RequestError(
        "the request is not HTTP/1.1", expected="a request line, headers and Content-Length", got="other bytes"
    )
