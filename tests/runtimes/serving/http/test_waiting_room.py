"""Who has said the first thing is let through, however it came; who has not is dropped, the oldest first."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from miniseg_edge.runtimes.serving.http.waiting_room import Caller, WaitingRoom


def hello() -> bytes:
    """The first record of a handshake, as OpenSSL writes it."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


class Door:
    """A waiting room, and what became of its callers."""

    def __init__(self, *, tls: bool, patience_s: float = 60.0) -> None:
        self.through: list[Caller] = []
        self.dropped: list[Caller] = []
        self.room = WaitingRoom(patience_s, self.through.append, self.dropped.append, tls=tls)
        self._open: list[socket.socket] = []

    def enter(self, address: str = "a", said: bytes = b"") -> socket.socket:
        """A peer's end of a connection; what it says before it is accepted."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            peer = socket.create_connection(listening.getsockname())
            peer.sendall(said)
            accepted, _ = listening.accept()
        accepted.setblocking(False)
        self._open += [peer, accepted]
        self.room.enter(accepted, address)
        return peer

    async def until(self, through: int = 0, dropped: int = 0) -> None:
        async def looked() -> None:
            while (len(self.through), len(self.dropped)) != (through, dropped):
                await asyncio.sleep(0.001)

        await asyncio.wait_for(looked(), 60)

    def close(self) -> None:
        self.room.close()
        for one in self._open:
            one.close()


@contextlib.contextmanager
def door(*, tls: bool, patience_s: float = 60.0) -> Iterator[Door]:
    found = Door(tls=tls, patience_s=patience_s)
    try:
        yield found
    finally:
        found.close()


FIRST = {False: b"G", True: hello()}


@pytest.mark.parametrize("tls", [False, True])
def test_who_has_spoken_before_is_let_through_at_once_with_every_byte(tls: bool) -> None:
    async def run() -> None:
        with door(tls=tls) as found:
            found.enter("a", FIRST[tls] + b"more")
            (caller,) = found.through
            assert caller.socket.recv(2**16) == FIRST[tls] + b"more"
            assert (len(found.room), caller.address) == (0, "a")

    asyncio.run(run())


def test_a_handshake_that_comes_byte_by_byte_is_let_through_with_the_last() -> None:
    async def run() -> None:
        with door(tls=True) as found:
            peer, said = found.enter(), hello()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for first in range(len(said)):
                assert found.through == []
                peer.sendall(said[first : first + 1])
                await asyncio.sleep(0)
            await found.until(through=1)
            assert found.through[0].socket.recv(2**16) == said
            assert found.through[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1

    asyncio.run(run())


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1", b"\x16\x03\x01\xff\xff"], ids=["no TLS", "no such length"])
def test_what_is_no_handshake_is_left_to_tls(said: bytes) -> None:
    async def run() -> None:
        with door(tls=True) as found:
            found.enter("a", said)
            assert len(found.through) == 1

    asyncio.run(run())


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "a byte", "a part"])
def test_who_goes_or_is_silent_too_long_is_dropped(said: bytes) -> None:
    async def run() -> None:
        with door(tls=True, patience_s=0.05) as found:
            found.enter("a", said)
            await found.until(dropped=1)
            found.enter("a", said)
            found.enter("b", said)
            await found.until(dropped=3)
            assert len(found.room) == 0
        with door(tls=True) as found:
            for ends in (socket.socket.close, lambda peer: peer.shutdown(socket.SHUT_WR)):
                peer = found.enter("a", said)
                await asyncio.sleep(0.01)
                ends(peer)
            await found.until(dropped=2)
            assert all(caller.socket.fileno() == -1 for caller in found.dropped)

    asyncio.run(run())


def test_the_oldest_of_an_address_goes_first_and_nobody_who_has_spoken() -> None:
    async def run() -> None:
        with door(tls=True) as found:
            for address in ("a", "b", "a", "b"):
                found.enter(address)
            speaker = found.enter("c")
            assert not found.room.drop_oldest("d")
            for oldest in ("b", None, None):
                assert found.room.drop_oldest(oldest)
            assert [caller.address for caller in found.dropped] == ["b", "a", "a"]
            speaker.sendall(hello())  # which the event loop has not seen yet
            assert found.room.drop_oldest("b")
            assert not found.room.drop_oldest("c")
            assert [caller.address for caller in found.through] == ["c"]
            assert len(found.room) == 0

    asyncio.run(run())
