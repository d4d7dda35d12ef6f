"""No connection is left to the garbage collector."""

import gc
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from miniseg_edge.runtimes.node.associations.closing import close_for_certain
from miniseg_edge.runtimes.node.associations.server import GuardedServer
from tests.runtimes.node.pacs import pacs
from tests.runtimes.node.process import associated, wait_until

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a connection that ends with a reset, as when a scanner loses power."""


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _descriptors() -> int:
    return int(psutil.Process().num_fds())


def _reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    peer.close()


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["silent", "garbage"])
def test_a_server_closes_connections_that_were_reset(first: bytes) -> None:
    opened: list[object] = []
    ours = AE(ae_title="MINISEG")
    ours.add_supported_context(Verification)
    server: Any = ours.make_server(
        ("127.0.0.1", 0),
        evt_handlers=[(evt.EVT_CONN_OPEN, close_for_certain), (evt.EVT_CONN_OPEN, opened.append)],
        server_class=GuardedServer,
    )
    accepting = threading.Thread(target=server.serve_forever, args=(0.02,))
    accepting.start()
    try:
        before = _descriptors()
        for count in range(1, 6):
            peer = socket.create_connection(server.server_address)
            peer.sendall(first)
            wait_until(lambda count=count: len(opened) == count, lambda: "an association")  # type: ignore[misc]
            _reset(peer)
            wait_until(lambda: not server.active_associations, lambda: "its end")
        wait_until(lambda: _descriptors() <= before, lambda: f"{_descriptors()} descriptors, {before} before")
    finally:
        server.stop_accepting()
        server.server_close()
        accepting.join()


def test_a_sender_closes_connections_that_were_reset() -> None:
    with pacs() as archive:
        before = _descriptors()
        for _ in range(5):
            association = associated(archive.port, called="PACS")
            assert association.is_established
            association.dul.socket.socket.shutdown(socket.SHUT_RDWR)  # the library's own `shutdown` will fail
            association.abort()
            association.join()
        wait_until(lambda: _descriptors() <= before, lambda: f"{_descriptors()} descriptors, {before} before")
