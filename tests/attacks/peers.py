"""Peers of a service that do what no client does: they say any bytes, keep silent, or never read."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil

from tests.runtimes.serving.process import PATIENCE_S, Running


@dataclass
class Said:
    """What came on a connection until its end: each answer's status and body."""

    answers: list[tuple[int, bytes]]

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.answers]

    @property
    def code(self) -> str:
        """Of the only answer, which is an error of ours."""
        ((_, body),) = self.answers
        code: str = json.loads(body)["error"].partition(":")[0]
        return code


def connected(service: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


def head(service: Running, *lines: str, method: str = "POST", path: str = "") -> bytes:
    """A request line and headers."""
    told = [f"{method} {path or service.infer_path} HTTP/1.1", f"Host: 127.0.0.1:{service.port}", *lines]
    return "\r\n".join([*told, "", ""]).encode("latin-1")


def read_to_end(peer: socket.socket) -> Said:
    """Reads until the service closes; a reset is an error."""
    data = bytearray()
    while piece := peer.recv(2**16):
        data += piece
    answers = []
    while data:
        start, _, rest = bytes(data).partition(b"\r\n\r\n")
        lines = start.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(fields.get("content-length", "0"))
        assert len(rest) >= length, "an answer was cut"
        answers.append((int(lines[0].split(" ")[1]), rest[:length]))
        data = bytearray(rest[length:])
    return Said(answers)


def told(service: Running, *said: bytes) -> Said:
    """What a service answers to bytes, until it closes."""
    with connected(service) as peer:
        for part in said:
            peer.sendall(part)
        return read_to_end(peer)


@contextmanager
def crowd(service: Running, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many peers that say the same, and then nothing."""
    with ExitStack() as stack:
        peers = []
        for _ in range(count):
            peers.append(stack.enter_context(connected(service)))
            if said:
                peers[-1].sendall(said)
        yield peers


def memory_of(service: Running) -> int:
    """Bytes that the process holds."""
    found: int = psutil.Process(service.process.pid).memory_info().rss
    return found
