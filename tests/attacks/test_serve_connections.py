"""Peers that are silent, slow or many: honest peers are still answered."""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from miniseg_edge.phantoms import phantom
from tests.attacks.peers import connected, crowd, head, read_to_end, told
from tests.runtimes.serving.process import Running, body_of, running, wait_until
from tests.runtimes.serving.test_limits import TOKEN, remote_words

SLICE = phantom(1, (64, 64)).image[None]

SILENCES: dict[str, Callable[[Running], bytes]] = {
    "nothing": lambda service: b"",
    "half a request line": lambda service: b"GET /v2/hea",
    "headers without their end": lambda service: head(service, "X: y")[:-2],
    "a request for health, and then nothing": lambda service: head(service, method="GET", path="/v2/health/live"),
    "requests whose answers nobody reads": lambda service: head(service, method="GET", path="/v2/health/live") * 9999,
}


@pytest.fixture(scope="module")
def service(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(demo_bundle_path, tmp_path_factory.mktemp("serve")) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that asks for TLS and a token."""
    folder = tmp_path_factory.mktemp("guarded")
    words = [word for some in remote_words(folder).values() for word in some]
    with running(demo_bundle_path, folder, *words) as found:
        found.tls = ssl.create_default_context(cafile=str(folder / "server.pem"))
        found.headers = {"Authorization": f"Bearer {TOKEN}"}
        yield found


def serves(service: Running) -> None:
    """Health answers, and authorised peers get masks."""
    for _ in range(3):
        assert service.ask("GET", "/v2/health/live").status == 200
        assert service.ask("GET", "/v2/health/ready").status == 200
        assert service.infer(SLICE).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", SILENCES)
def test_silent_peers_shut_nobody_out(service: Running, name: str) -> None:
    said = SILENCES[name](service)
    with crowd(service, 300) as peers:
        for peer in peers:
            peer.setblocking(False)
            with contextlib.suppress(OSError):  # as much as the system takes
                peer.send(said)
        serves(service)
    assert service.metric("miniseg_requests_inside") == 0


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "half a hello"])
def test_strangers_in_handshakes_do_not_shut_out_who_has_the_token(guarded: Running, said: bytes) -> None:
    with crowd(guarded, 300, said):
        serves(guarded)


@pytest.mark.slow
def test_strangers_without_the_token_do_not_shut_out_who_has_it(guarded: Running) -> None:
    """Their handshakes are done, and some have asked."""
    assert guarded.tls is not None
    with contextlib.ExitStack() as stack:
        for count in range(300):
            peer = guarded.tls.wrap_socket(connected(guarded), server_hostname="127.0.0.1")
            stack.enter_context(peer)
            if count % 2:
                peer.sendall(head(guarded, "Content-Length: 99", "Authorization: Bearer no"))
        serves(guarded)
        assert guarded.metric("miniseg_requests_inside") == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "half a request line", "headers without their end"])
def test_a_silent_peer_is_dropped(service: Running, name: str) -> None:
    with crowd(service, 4, SILENCES[name](service)) as peers:
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""


@pytest.mark.slow
def test_a_handshake_that_does_not_end_is_dropped(guarded: Running) -> None:
    with crowd(guarded, 4) as peers:
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""


@pytest.mark.slow
def test_headers_that_drip_are_dropped(service: Running) -> None:
    """A byte now and then does not start the time again."""
    with connected(service) as peer:
        peer.settimeout(0.2)
        closed = False

        def dropped() -> bool:
            nonlocal closed
            try:
                peer.sendall(b"X")
                closed = peer.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
            return closed

        wait_until(dropped, "it is dropped")


@pytest.mark.slow
def test_out_of_descriptors_it_answers_and_its_log_stays_short(demo_bundle_path: Path, tmp_path: Path) -> None:
    with running(demo_bundle_path, tmp_path, "--queue", "1", "--streams", "1", files=128) as service:
        process = psutil.Process(service.process.pid)
        for _ in range(3):
            with crowd(service, 300) as peers:
                serves(service)
                assert process.num_fds() < 128
                assert len(peers) == 300
        serves(service)
        wait_until(lambda: service.metric("miniseg_connections") == 1, "the crowd is forgotten")
        code, _, error = service.stopped()
    assert code == 0
    assert len(error) < 10_000


@pytest.mark.slow
def test_with_all_descriptors_taken_by_others_it_waits_and_its_log_stays_short(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    """The limit sinks below what is open, so that no connection can be accepted."""
    with running(demo_bundle_path, tmp_path) as service:
        assert service.infer(SLICE).status == 200
        process = psutil.Process(service.process.pid)
        before = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (3, before[1]))
        with crowd(service, 100) as peers:
            peers[0].settimeout(3)
            with contextlib.suppress(OSError):
                peers[0].recv(1)
            process.rlimit(psutil.RLIMIT_NOFILE, before)
            serves(service)
        code, _, error = service.stopped()
    assert code == 0
    assert "could not be accepted" in error
    assert len(error) < 10_000


def test_too_few_descriptors_are_refused_with_a_typed_error(demo_bundle_path: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="HOST_LIMIT: the limit on open files is too low"),
        running(demo_bundle_path, tmp_path, files=40),
    ):
        pass


@pytest.mark.parametrize("size", [17_000, 60_000])
@pytest.mark.parametrize("kind", ["one header", "many headers", "white space", "request line"])
def test_headers_above_16_kib_are_refused(service: Running, kind: str, size: int) -> None:
    lines = {
        "one header": ["X: " + "y" * size],
        "many headers": ["X: y"] * (size // 6),
        "white space": ["X:" + " " * size + "y"],
        "request line": [],
    }[kind]
    path = "/v2/health/live" + ("?" + "y" * size if kind == "request line" else "")
    said = told(service, head(service, *lines, method="GET", path=path))
    assert (said.statuses, said.code) == ([431], "TOO_LARGE")


def test_headers_up_to_16_kib_are_taken(service: Running) -> None:
    assert service.ask("GET", "/v2/health/live", headers={"X": "y" * 16_000}).status == 200


@pytest.mark.parametrize("requests", [1, 3])
def test_a_peer_that_has_said_all_is_answered(service: Running, requests: int) -> None:
    body, headers = body_of(SLICE)
    lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
    with connected(service) as peer:
        peer.sendall((head(service, *lines) + body) * requests)
        peer.shutdown(socket.SHUT_WR)
        said = read_to_end(peer)
    assert said.statuses == [200] * requests
    masks = {answer[-SLICE.size :] for _, answer in said.answers}
    assert masks == {service.infer(SLICE).mask.tobytes()}


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True])
def test_a_peer_that_never_reads_is_dropped(demo_bundle_path: Path, tmp_path: Path, secure: bool) -> None:
    """Its mask is larger than what the system's buffers hold."""
    words = [word for some in remote_words(tmp_path).values() for word in some] if secure else []
    with running(demo_bundle_path, tmp_path, "--deadline", "5", *words) as service:
        body, headers = body_of(np.zeros((3, 2048, 2048), np.uint8))
        headers |= {"Content-Length": str(len(body)), "Authorization": f"Bearer {TOKEN}"}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        with contextlib.ExitStack() as stack:
            peer = connected(service)
            if secure:
                service.tls = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
                service.headers = {"Authorization": f"Bearer {TOKEN}"}
                peer = service.tls.wrap_socket(peer, server_hostname="127.0.0.1")
            stack.enter_context(peer).sendall(head(service, *lines) + body)
            wait_until(lambda: b'{code="",status="200"} 1.0' in service.ask("GET", "/metrics").body, "it is given up")
            wait_until(lambda: service.metric("miniseg_connections") == 1, "it is dropped")
            assert service.metric("miniseg_requests_inside") == 0
            _, _, error = service.stopped()
    assert "an answer was not taken in time" in error


@pytest.mark.slow
def test_peers_that_go_while_they_are_answered_leave_no_traceback(demo_bundle_path: Path, tmp_path: Path) -> None:
    """They reset their connections, at all moments between the request and the answer's end."""
    at_once = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
    with running(demo_bundle_path, tmp_path) as service:
        body, headers = body_of(SLICE)
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        for said in (head(service, *lines, "Connection: close") + body, head(service, "Content-Length: nothing")):
            for moment in range(200):
                with connected(service) as peer:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                    peer.sendall(said)
                    time.sleep(moment % 50 * 0.0003)
        serves(service)
        _, _, error = service.stopped()
    assert "Traceback" not in error


@pytest.mark.slow
def test_a_peer_that_ends_tls_before_its_masks_come_is_noticed_and_fills_no_log(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    words = [word for some in remote_words(tmp_path).values() for word in some]
    with running(demo_bundle_path, tmp_path, *words) as service:
        service.tls = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        body, headers = body_of(np.zeros((3, 2048, 2048), np.uint8))
        headers |= {**service.headers, "Content-Length": str(len(body))}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        with service.tls.wrap_socket(connected(service), server_hostname="127.0.0.1") as peer:
            peer.sendall(head(service, *lines) + body)
            peer.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while peer.recv(2**16):
                    pass
        wait_until(lambda: service.metric("miniseg_requests_inside") == 0, "its request is forgotten")
        assert b'code="GONE",status="499"} 1.0' in service.ask("GET", "/metrics").body
        _, _, error = service.stopped()
    assert error == ""
