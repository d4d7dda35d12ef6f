"""Where there is no room, neither silent peers nor those in a handshake drive out the others."""

import asyncio
import contextlib
import socket
from pathlib import Path

from starlette.types import Receive, Scope, Send

from miniseg_edge.runtimes.serving.http.address import server_tls
from miniseg_edge.runtimes.serving.http.connection import Patience
from miniseg_edge.runtimes.serving.http.reception import Reception
from tests.runtimes.serving.http.test_waiting_room import hello
from tests.runtimes.serving.test_limits import write_certificate

MAXIMUM, OF_ONE_ADDRESS = 8, 4


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """The application, which no request reaches."""
    raise AssertionError


async def met(reception: Reception, listening: socket.socket, said: list[bytes]) -> list[socket.socket]:
    """Peers that connect one after the other and say this; each is accepted before the next comes."""
    peers = []
    for one in said:
        peer = socket.create_connection(listening.getsockname())
        peer.sendall(one)
        peers.append(peer)
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert len(reception) == OF_ONE_ADDRESS
    return peers


def is_open(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        while piece := peer.recv(2**16):
            assert piece
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False


async def who_stays(folder: Path, said: list[bytes]) -> list[bool]:
    tls = server_tls(*write_certificate(folder))
    reception = Reception(nobody, tls, Patience(head_s=60.0), MAXIMUM)
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stack:
        accepting = asyncio.create_task(reception.accept(listening))
        peers = await met(reception, listening, said)
        for peer in peers:
            stack.enter_context(peer)
        found = [is_open(peer) for peer in peers]
        accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await accepting
        await reception.close(0)
        assert len(reception) == 0
    return found


def test_those_in_a_handshake_do_not_drive_out_who_is_slow_to_begin_one(tmp_path: Path) -> None:
    found = asyncio.run(who_stays(tmp_path, [hello()] * 4 + [b""] + [hello()] * 3))
    assert found == [False] * 4 + [True] * 4


def test_the_silent_do_not_drive_out_who_is_in_a_handshake(tmp_path: Path) -> None:
    found = asyncio.run(who_stays(tmp_path, [hello()] + [b""] * 9))
    assert found == [True] + [False] * 6 + [True] * 3
