"""A client of the service like a host application's: a kept connection, one slice per request, each mask checked."""

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.traffic import Known

_JSON_LENGTH = "Inference-Header-Content-Length"
_TIMEOUT_S = 120.0

LOST = 0
"""Used instead of a status: no answer came."""


@dataclass(frozen=True)
class Reply:
    """The result of a request: HTTP status or `LOST`, and whether the mask was right, bit for bit; None without one."""

    status: int
    right: bool | None


class Connection:
    """To a service on loopback.

    Thread-safety: one thread at a time.
    """

    def __init__(self, port: int, model: str) -> None:
        """Opened at first use, and again after a failure."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        self._path = f"/v2/models/{model}/infer"

    def ask(self, known: Known, name: str) -> Reply:
        """Requests the mask of a slice, with a unique id."""
        head, body = _request(known, name)
        try:
            self._connection.request("POST", self._path, head + body, {_JSON_LENGTH: str(len(head))})
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Reply(LOST, None)
        if response.status != http.client.OK:
            return Reply(response.status, None)
        length = int(response.headers[_JSON_LENGTH])
        mask = np.frombuffer(data[length:], np.uint8)
        own = json.loads(data[:length])["id"] == name
        return Reply(response.status, own and np.array_equal(mask, known.mask.ravel()))

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


def _request(known: Known, name: str) -> tuple[bytes, bytes]:
    tensor = {
        "name": "slice",
        "shape": [1, *known.image.shape],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": known.image.nbytes},
    }
    head = {"id": name, "inputs": [tensor], "parameters": {"binary_data_output": True}}
    return json.dumps(head).encode(), known.image.tobytes()


@dataclass(frozen=True)
class Sample:
    """A request: when it was due, in seconds since the load began, its client, its result, and ms since it was due."""

    due_s: float
    client: int
    status: int
    right: bool | None
    latency_ms: float


@dataclass(frozen=True)
class Call:
    """A scheduled request, on the clock of `time.perf_counter`: its client, and its number."""

    client: int
    number: int
    due: float


def timed(connection: Connection, shares: Sequence[Sequence[Known]], call: Call, start: float) -> Sample:
    """Requests the mask of one of the client's own slices, in rotation; the load began at `start`."""
    own = shares[call.client]
    reply = connection.ask(own[call.number % len(own)], f"{call.client}/{call.number}")
    latency_ms = (time.perf_counter() - call.due) * 1e3
    return Sample(call.due - start, call.client, reply.status, reply.right, latency_ms)
