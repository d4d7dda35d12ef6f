"""Requests that say two things about where they end: one refusal, nothing behind it is answered, nothing is kept."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.peers import connected, head, memory_of, read_to_end, told
from tests.runtimes.serving.process import Running, running

MIB = 2**20
CHUNK = b"10000\r\n" + b"0" * 2**16 + b"\r\n"
SMUGGLED = b"0\r\n\r\nGET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

FRAMINGS = {
    "both": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "both, the other way round": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "chunks alone": ["Transfer-Encoding: chunked"],
    "in capitals": ["Content-Length: 5", "TRANSFER-ENCODING: CHUNKED"],
    "compressed chunks": ["Content-Length: 5", "Transfer-Encoding: gzip, chunked"],
    "twice": ["Content-Length: 5", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "identity": ["Content-Length: 5", "Transfer-Encoding: identity"],
    "an empty encoding": ["Content-Length: 5", "Transfer-Encoding:"],
    "a space before the colon": ["Content-Length: 5", "Transfer-Encoding : chunked"],
    "folded": ["Content-Length: 5", "Transfer-Encoding:", " chunked"],
    "two lengths": ["Content-Length: 5", "Content-Length: 6"],
    "a list of lengths": ["Content-Length: 5, 6"],
    "a negative length": ["Content-Length: -5"],
    "a length in hexadecimal": ["Content-Length: 0x5"],
}


@pytest.fixture(scope="module")
def service(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(demo_bundle_path, tmp_path_factory.mktemp("serve"), "--max-body", "1") as found:
        yield found


@pytest.mark.parametrize("path", ["", "/v2", "/v2/health/live"])
@pytest.mark.parametrize("name", FRAMINGS)
def test_what_ends_in_two_places_gets_one_refusal(service: Running, name: str, path: str) -> None:
    method = "POST" if not path else "GET"
    said = told(service, head(service, *FRAMINGS[name], method=method, path=path) + SMUGGLED)
    assert len(said.answers) == 1
    assert said.statuses[0] in (400, 501)
    assert said.code == "REQUEST"
    assert service.ask("GET", "/v2/health/live").status == 200


def test_a_refusal_to_head_has_no_body(service: Running) -> None:
    with connected(service) as peer:
        peer.sendall(head(service, *FRAMINGS["both"], method="HEAD", path="/v2"))
        data = b""
        while piece := peer.recv(2**16):
            data += piece
    assert data.startswith(b"HTTP/1.1 400 ")
    assert data.endswith(b"\r\n\r\n")


def test_chunks_without_end_are_neither_read_nor_kept(service: Running) -> None:
    before = memory_of(service)
    for lines in (FRAMINGS["both"], FRAMINGS["chunks alone"]):
        with connected(service) as peer:
            peer.sendall(head(service, *lines))
            highest = before
            try:
                for _ in range(4096):  # 256 MiB
                    peer.sendall(CHUNK)
                    highest = max(highest, memory_of(service))
            except OSError:
                pass  # the service has closed
            assert highest - before < 32 * MIB
    assert service.metric("miniseg_requests_inside") == 0


@pytest.mark.parametrize("declared", [2 * MIB, 10**14])
def test_a_body_above_the_limit_is_refused_unread_and_the_refusal_arrives(service: Running, declared: int) -> None:
    """Also where the peer reads only after it has sent more than the system's buffers hold."""
    before = memory_of(service)
    with connected(service) as peer:
        peer.sendall(head(service, f"Content-Length: {declared}", "Connection: close"))
        for _ in range(64):
            peer.sendall(b"0" * MIB)
        peer.shutdown(socket.SHUT_WR)
        said = read_to_end(peer)
    assert (said.statuses, said.code) == ([413], "TOO_LARGE")
    assert memory_of(service) - before < 32 * MIB
