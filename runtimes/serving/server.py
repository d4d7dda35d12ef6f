"""The service's life cycle: it reports when it is ready, and ends on request after the last answer."""

import asyncio
import concurrent.futures.thread  # noqa: F401  asyncio loads it late, when there may be no descriptor left to read it
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from miniseg_edge.host.signals import ended_by
from miniseg_edge.runtimes.serving.allocator import give_back, keep_little
from miniseg_edge.runtimes.serving.gate import Gate
from miniseg_edge.runtimes.serving.http.reception import Reception

_SWITCH_S = 0.0005
"""Interval after which a working thread yields the interpreter; the event loop needs it after every call."""

_TICK_S, _LAST_WORDS_S = 0.1, 5.0


class Server:
    """Ends after SIGTERM or Ctrl-C, when no request is inside; until then it answers, and refuses new requests."""

    def __init__(self, reception: Reception, gate: Gate, ready: Callable[[], None]) -> None:
        """Calls `ready` once, when connections are accepted."""
        self._reception, self._gate, self._ready = reception, gate, ready
        self._at_once = False

    def run(self, listening: socket.socket) -> None:
        """Serves on a listening socket, which stays the caller's, from the main thread."""
        keep_little()
        sys.setswitchinterval(_SWITCH_S)
        with ended_by(self._stop):
            asyncio.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        accepting = asyncio.create_task(self._reception.accept(listening))
        await asyncio.sleep(0)
        self._ready()
        while not (self._at_once or accepting.done() or (self._gate.stopping and self._gate.inside == 0)):
            await asyncio.sleep(_TICK_S)
            if self._gate.rests() or self._reception.rests():
                await asyncio.to_thread(give_back)
            elif self._reception.has_closed_many():
                gc.collect()
        accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await accepting
        await self._reception.close(0 if self._at_once else _LAST_WORDS_S)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """The first signal stops the service gracefully, a second Ctrl-C at once."""
        self._at_once = self._gate.stopping and number == signal.SIGINT
        self._gate.stop()
