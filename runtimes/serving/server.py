"""uvicorn around the service: it says when it is ready, and stops when the last request is done."""

import signal
import socket
import ssl
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from miniseg_edge.runtimes.serving.gate import Gate

MAX_CONNECTIONS = 256
"""Open at once; requests on more get 503."""

_MAX_HEADERS = 2**14
_IDLE_S, _LAST_WORDS_S = 30, 5


class Server(uvicorn.Server):
    """Ends after SIGTERM or Ctrl-C, when nobody is inside; until then it answers, and refuses new requests."""

    def __init__(self, application: ASGIApp, tls: ssl.SSLContext | None, gate: Gate, ready: Callable[[], None]) -> None:
        """Calls `ready` once, when connections are taken."""
        super().__init__(
            uvicorn.Config(
                application,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # paths may hold what does not belong into logs
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=_LAST_WORDS_S,
                ssl_context_factory=None if tls is None else lambda config, default: tls,
                h11_max_incomplete_event_size=_MAX_HEADERS,
            )
        )
        self._gate, self._ready = gate, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then says so."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops the service gracefully, a second Ctrl-C at once."""
        if self._gate.stopping and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        self._gate.stop()

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end; uvicorn asks ten times a second."""
        return await super().on_tick(counter) or (self._gate.stopping and self._gate.inside == 0)
