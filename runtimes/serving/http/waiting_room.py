"""Where peers wait that have said nothing yet. Such a peer costs a socket: no TLS, no buffers, no task."""

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

_HANDSHAKE = 22
_RECORD_HEAD, _LONGEST_RECORD = 5, 2**14
"""Of TLS: a record's type, two bytes of version and two of length, before at most so many bytes."""


@dataclass(eq=False)
class Caller:
    """A peer that was accepted.

    Attributes:
        socket: of the peer.
        address: whose it is.
        due: when its patience ends, in seconds of the event loop's clock.
        wanted: bytes of it that are waited for.
    """

    socket: socket.socket
    address: str
    due: float
    wanted: int = 1


class WaitingRoom:
    """Keeps callers until the first thing that they say is complete, or their patience ends.

    The first thing is the first record of a TLS handshake, or without TLS the first byte. It stays in the system's
    buffer. Who has said it is let through, also where the room is needed. Belongs to one event loop.
    """

    def __init__(
        self, patience_s: float, said: Callable[[Caller], None], dropped: Callable[[Caller], None], *, tls: bool
    ) -> None:
        """Hands a caller and its socket to `said`, or tells `dropped` that its socket was closed."""
        self._patience_s, self._said, self._dropped, self._tls = patience_s, said, dropped, tls
        self._peeked = bytearray(_RECORD_HEAD + _LONGEST_RECORD)
        self._callers: dict[str, dict[Caller, None]] = {}  # of each address, the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._callers.values()))

    def count(self, address: str | None) -> int:
        """How many wait, of one address if that is given."""
        return len(self) if address is None else len(self._callers.get(address, ()))

    def enter(self, accepted: socket.socket, address: str) -> None:
        """Takes over a peer's socket, which does not block."""
        loop = asyncio.get_running_loop()
        caller = Caller(accepted, address, loop.time() + self._patience_s)
        self._callers.setdefault(address, {})[caller] = None
        if sys.platform == "win32":  # whose event loop cannot watch a socket without reading from it
            self._let_through(caller)
            return
        if self._look(caller):
            return
        loop.add_reader(accepted.fileno(), self._look, caller, True)
        if self._timer is None:
            self._timer = loop.call_at(caller.due, self._sweep)

    def drop_oldest(self, address: str | None) -> bool:
        """Closes the peer that has been silent longest, from one address if given; False if none is silent."""
        while (caller := self._oldest(address)) is not None:
            if not self._look(caller):
                self._drop(caller)
                return True
        return False

    def close(self) -> None:
        """Drops everybody."""
        while (caller := self._oldest(None)) is not None:
            self._drop(caller)
        if self._timer is not None:
            self._timer.cancel()

    def _oldest(self, address: str | None) -> Caller | None:
        groups = self._callers.values() if address is None else [self._callers.get(address, {})]
        return min((next(iter(group)) for group in groups if group), key=lambda caller: caller.due, default=None)

    def _look(self, caller: Caller, readable: bool = False) -> bool:
        """Whether it has left the room, since it has said enough, or will not say any more."""
        try:
            count = caller.socket.recv_into(self._peeked, 0, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        wanted = self._wanted(count)
        if count >= wanted:
            self._let_through(caller)
            return True
        if count == 0 or (readable and wanted == caller.wanted):  # woken by the end, before all of it had come
            self._drop(caller)
            return True
        if wanted != caller.wanted:
            caller.wanted = wanted
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        return False

    def _wanted(self, count: int) -> int:
        """Bytes that must come, judging by those that were peeked. TLS refuses anything but a handshake."""
        if not self._tls or count == 0 or self._peeked[0] != _HANDSHAKE:
            return 1
        if count < _RECORD_HEAD:
            return _RECORD_HEAD
        length = int.from_bytes(self._peeked[3:_RECORD_HEAD], "big")
        return _RECORD_HEAD + (length if length <= _LONGEST_RECORD else 0)

    def _let_through(self, caller: Caller) -> None:
        self._leave(caller)
        if caller.wanted != 1:
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._said(caller)

    def _drop(self, caller: Caller) -> None:
        self._leave(caller)
        caller.socket.close()
        self._dropped(caller)

    def _leave(self, caller: Caller) -> None:
        if sys.platform != "win32":
            asyncio.get_running_loop().remove_reader(caller.socket.fileno())
        group = self._callers[caller.address]
        del group[caller]
        if not group:
            del self._callers[caller.address]

    def _sweep(self) -> None:
        """Drops whose patience has ended, and comes again when the next one's does."""
        loop = asyncio.get_running_loop()
        while (caller := self._oldest(None)) is not None and caller.due <= loop.time():
            self._drop(caller)
        self._timer = None if caller is None else loop.call_at(caller.due, self._sweep)
