"""The target `http`: the service's front, from a connection's bytes to a request for masks and its answer."""

import asyncio
import atexit
import json
import logging
from concurrent.futures import Future
from typing import Any, cast

import h11
import numpy as np
from starlette.types import Receive, Scope, Send

from miniseg_edge.errors import MiniSegError
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.serving.application import application_of
from miniseg_edge.runtimes.serving.gate import Gate
from miniseg_edge.runtimes.serving.http.address import LOOPBACK_NAMES
from miniseg_edge.runtimes.serving.http.body import Body
from miniseg_edge.runtimes.serving.http.connection import PIECE, Connection, Patience
from miniseg_edge.runtimes.serving.http.deadline import Deadline
from miniseg_edge.runtimes.serving.http.seldom import Seldom
from miniseg_edge.runtimes.serving.limits import Limits
from miniseg_edge.runtimes.serving.metrics import Metrics
from miniseg_edge.runtimes.serving.protocol.answers import Answer, answer_of_error, answer_of_masks
from miniseg_edge.runtimes.serving.protocol.infer_request import request_from_body
from miniseg_edge.runtimes.serving.protocol.model import ServedModel
from miniseg_edge.runtimes.serving.service import Service
from miniseg_edge.runtimes.serving.workers import Workers

MODEL = ServedModel("lung", 1, ("slice", "slice_hu"), "openvino", "cpu", "fp32", "d" * 64)
HEAD = b"POST /v2/models/lung/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n%b\r\n"
BETWEEN = b"\0\0"
"""Stands between the JSON and the tensor of an input that is a body alone."""

_STEPS, _GATE = 200, Gate(2)
_LOOP = asyncio.new_event_loop()
atexit.register(_LOOP.close)


class _Readers(Workers):
    """Workers that read requests and answer empty masks: without threads and without an engine."""

    def __init__(self) -> None:
        super().__init__(cast(Segmenter, None), MODEL, 1)

    def submit(self, body: Body, json_length: int | None, deadline: Deadline) -> Future[tuple[Answer, int]]:
        done: Future[tuple[Answer, int]] = Future()
        try:
            request = request_from_body(body.take() or b"", json_length, MODEL)
            masks = np.zeros(request.slices.shape[:3], np.uint8)
            done.set_result((answer_of_masks(masks, ("a remark",), request, MODEL), len(masks)))
        except MiniSegError as error:
            done.set_result((answer_of_error(error), 0))
        except Exception as error:
            done.set_exception(error)  # a finding
        return done


class _Findings(Seldom):
    """What would be logged, and is a finding here."""

    found: BaseException | None = None

    def warn(self, kind: str, detail: str = "", error: BaseException | None = None) -> None:
        self.found = error or AssertionError(kind)


class _Wire(asyncio.Transport):
    """What a connection writes to, in memory."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self.written, self.closed, self.paused, self._protocol = bytearray(), False, False, protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            _LOOP.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nothing follows."""

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


_APPLICATION = application_of(
    Service(MODEL, Limits(max_body_mb=1), _GATE, _Readers(), Metrics(_GATE, MODEL)), LOOPBACK_NAMES, None
)


def http(data: bytes) -> None:
    """Bytes of a connection. The first says in which pieces they come, whether they end, and whether they are a body.

    A body alone gets the headers that belong to it, so that more than the headers is reached.
    """
    if not data:
        return
    how, data = data[0], data[1:]
    if how & 1:
        document, between, tensor = data.partition(BETWEEN)
        length = b"inference-header-content-length: %d\r\n" % len(document) if between else b""
        data = HEAD % (len(document) + len(tensor), length) + document + tensor
    piece = (PIECE, 1024, 64, 7)[how >> 1 & 3]
    _LOOP.run_until_complete(_said(data, piece, half_closed=bool(how & 8)))


async def _said(data: bytes, piece: int, *, half_closed: bool) -> None:
    findings = _Findings(logging.getLogger(__name__))
    gone: list[Connection] = []
    methods: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        methods.append(scope["method"])
        await _APPLICATION(scope, receive, send)

    connection = Connection(application, Patience(), bytearray(PIECE), findings, gone.append)
    wire = _Wire(connection)
    connection.connection_made(wire)
    for first in range(0, len(data), piece):
        part = data[first : first + piece]
        connection.get_buffer(-1)[: len(part)] = part
        connection.buffer_updated(len(part))
        await _settle(connection)
        if wire.closed or wire.paused:
            break
    if half_closed and not wire.closed:
        if not connection.eof_received():
            wire.close()
        await _settle(connection)
    wire.close()
    await _settle(connection)
    for _ in range(9):
        await asyncio.sleep(0)
    if findings.found is not None:
        raise findings.found
    assert gone == [connection], "a connection that is not gone"
    assert _GATE.inside == 0, "a place that is not given back"
    _check_answers(bytes(wire.written), methods)


async def _settle(connection: Connection) -> None:
    """Until the application waits for more, or has answered."""
    for _ in range(_STEPS):
        exchange = connection._exchange
        if exchange is None or not (exchange.complete or exchange.held):
            return
        await asyncio.sleep(0)
    raise AssertionError("an exchange that does not end")


def _check_answers(written: bytes, methods: list[str]) -> None:
    """What was written is HTTP; answers are whole but for the last, and errors are typed.

    The application saw these methods; what it did not see was refused before it.
    """
    while written:
        client, method = h11.Connection(h11.CLIENT), methods.pop(0) if methods else "GET"
        client.send(h11.Request(method=method, target="/", headers=[("host", "localhost")]))
        client.send(h11.EndOfMessage())
        client.receive_data(written)
        body, answer = b"", None
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return  # the peer was gone
            if isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                body += event.data
        assert answer is not None
        if answer.status_code >= 400 and body:
            code = json.loads(body)["error"].partition(":")[0]
            assert code.isupper(), "an error without a code"
            assert answer.status_code != 500, body
        written = client.trailing_data[0]
