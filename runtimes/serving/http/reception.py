"""Accepts connections: a limited number, and few enough from one address that others find room."""

import asyncio
import ipaddress
import itertools
import os
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import HostLimitError
from miniseg_edge.runtimes.serving.http.connection import PIECE, Connection, Patience, Standing
from miniseg_edge.runtimes.serving.http.seldom import Seldom
from miniseg_edge.runtimes.serving.http.waiting_room import Caller, WaitingRoom

WAITING = 512
"""Maximum connections besides those whose requests are inside; half of them from one address."""

_MIN_CONNECTIONS = 8
_KEPT_FREE = 32
"""Descriptors reserved for the rest of the process."""

_MANY_CLOSED = 256
_AT_ONCE = 32
"""Connections accepted before open ones are served again: neither may wait long for the other."""

_RETRY_S, _LOOK_S, _REST_S, _SHORTEST_S = 0.25, 0.05, 1.0, 0.1

_log = logger_of(__name__)


def connections_at_once(places: int) -> int:
    """Maximum connections for a service with this many places, within the limit on descriptors.

    Raises:
        HostLimitError: the process may open too few.
    """
    wanted = places + WAITING
    if (left := _descriptors_left()) is None:
        return wanted
    if (allowed := left - _KEPT_FREE) < _MIN_CONNECTIONS:
        raise HostLimitError(
            "the limit on open files is too low",
            expected=f"{_MIN_CONNECTIONS + _KEPT_FREE} more than are open",
            got=f"{left} more",
            remedy="Raise the limit (ulimit -n).",
        )
    return min(wanted, allowed)


def _descriptors_left() -> int | None:
    """Descriptors that the process may still open; None if unlimited."""
    if sys.platform == "win32":
        return None
    import resource

    allowed, opened = resource.getrlimit(resource.RLIMIT_NOFILE)[0], Path("/dev/fd")
    if allowed == resource.RLIM_INFINITY or not opened.is_dir():
        return None
    return allowed - len(os.listdir(opened))  # noqa: PTH208  a Path for each is wasted


class Reception:
    """Accepts connections for an application.

    A peer gets a connection once it has sent something. If there is no room, one peer is dropped: the one that has
    proved least, and among equals the one that has been quiet longest. The silent and the untrusted with a connection
    are equals: the more numerous kind loses one, so that neither can drive out the other. Peers whose requests are
    inside stay; if there are no others, nothing is accepted.
    """

    def __init__(self, application: ASGIApp, tls: ssl.SSLContext | None, patience: Patience, maximum: int) -> None:
        """Accepts up to `maximum` connections at once."""
        self.maximum = maximum
        self._of_one_address = max(1, maximum - min(maximum, WAITING) // 2)
        self._application, self._tls, self._patience = application, tls, patience
        self._seldom = Seldom(_log)
        self._silent = WaitingRoom(patience.head_s, self._connect, self._left, tls=tls is not None)
        self._buffer = bytearray(PIECE)
        self._addresses: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._closed = 0
        self._last_closed: float | None = None

    def has_closed_many(self) -> bool:
        """Whether enough connections were closed since the last call to matter: with TLS they are cycles."""
        if self._closed < _MANY_CLOSED:
            return False
        self._closed = 0
        return True

    def rests(self) -> bool:
        """Whether connections were closed, and none in the last second; once after each busy period."""
        if self._last_closed is None or time.monotonic() - self._last_closed < _REST_S:
            return False
        self._closed, self._last_closed = 0, None
        return True

    def __len__(self) -> int:
        """How many are open."""
        return len(self._addresses) + len(self._silent)

    async def accept(self, listening: socket.socket) -> None:
        """Accepts until it is cancelled."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        listening.setblocking(False)
        for count in itertools.count(1):
            if len(self) >= self.maximum and not self._silent and self._first_to_go(None) is None:
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._seldom.warn("a connection could not be accepted", error.strerror or "")
                self._make_room(None)
                await asyncio.sleep(_RETRY_S)
                continue
            self._admit(accepted, _address_of(peer))
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def close(self, seconds: float) -> None:
        """Ends all connections: after the current answers, but within this many seconds."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + seconds
        self._silent.close()
        for connection in list(self._addresses):
            connection.finish()
        while self._addresses and loop.time() < limit:
            await asyncio.sleep(_LOOK_S)
        for connection in list(self._addresses):
            connection.drop()
        await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket, address: str) -> None:
        crowded = self._counts[address] >= self._of_one_address
        if (crowded or len(self) >= self.maximum) and not self._make_room(address if crowded else None):
            accepted.close()
            return
        self._counts[address] += 1
        self._silent.enter(accepted, address)

    def _connect(self, caller: Caller) -> None:
        connection = Connection(self._application, self._patience, self._buffer, self._seldom, self._gone)
        self._addresses[connection] = caller.address
        connection.opening = asyncio.get_running_loop().create_task(self._open(connection, caller))

    async def _open(self, connection: Connection, caller: Caller) -> None:
        """Passes the socket to its connection, after the TLS handshake if there is one."""
        loop = asyncio.get_running_loop()
        limit = None if self._tls is None else max(caller.due - loop.time(), _SHORTEST_S)
        try:
            await loop.connect_accepted_socket(
                lambda: connection, caller.socket, ssl=self._tls, ssl_handshake_timeout=limit
            )
        except (OSError, asyncio.CancelledError):
            self._gone(connection)
        except MemoryError:
            caller.socket.close()
            self._gone(connection)
            self._seldom.warn("a connection could not be accepted", "no memory")

    def _make_room(self, address: str | None) -> bool:
        """Drops a peer, from one address if given; returns whether there was one to drop."""
        if self._silent.count(address) >= self._strangers(address) and self._silent.drop_oldest(address):
            return True
        if (connection := self._first_to_go(address)) is None:
            return False
        self._gone(connection)
        connection.drop()
        return True

    def _first_to_go(self, address: str | None) -> Connection | None:
        candidates = (one for one in self._connections(address) if one.standing < Standing.INSIDE)
        return min(candidates, key=lambda one: (one.standing, one.since), default=None)

    def _strangers(self, address: str | None) -> int:
        return sum(one.standing is Standing.STRANGER for one in self._connections(address))

    def _connections(self, address: str | None) -> Iterator[Connection]:
        return (one for one, its in self._addresses.items() if address in (None, its))

    def _gone(self, connection: Connection) -> None:
        if (address := self._addresses.pop(connection, None)) is not None:
            self._closed, self._last_closed = self._closed + 1, time.monotonic()
            self._count_down(address)

    def _left(self, caller: Caller) -> None:
        self._count_down(caller.address)

    def _count_down(self, address: str) -> None:
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._seldom.warn("a connection failed", type(error).__name__ if error is not None else "")


def _address_of(peer: Any) -> str:
    """The origin of a connection: an IPv4 address, an IPv6 network of 64 bits, or this machine."""
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except (ValueError, IndexError):
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "loopback"
    bits = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, bits), strict=False))
