"""Responses: masks, documents and errors, as the protocol defines them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from miniseg_edge.errors import (
    BusyError,
    ClosedError,
    DeadlineError,
    ForbiddenError,
    HostLimitError,
    InputError,
    MiniSegError,
    RequestError,
    TooLargeError,
    UnauthorizedError,
    UnknownModelError,
    UsageError,
)
from miniseg_edge.runtimes.serving.protocol.infer_request import InferRequest
from miniseg_edge.runtimes.serving.protocol.model import OUTPUT, OUTPUT_DATATYPE, VERSION, ServedModel
from miniseg_edge.slices.preprocessing import ByteArray

JSON_LENGTH = "Inference-Header-Content-Length"
RETRY_AFTER_S = 1

_STATUSES: tuple[tuple[type[MiniSegError], int], ...] = (
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (UnknownModelError, 404),
    (TooLargeError, 413),
    (RequestError, 400),
    (InputError, 400),
    (UsageError, 400),
    (BusyError, 503),
    (ClosedError, 503),
    (HostLimitError, 503),
    (DeadlineError, 504),
)
"""The first match counts; errors that are not listed are our fault, 500."""


@dataclass(frozen=True)
class Answer:
    """A response: status, body, headers besides its length, an error's code, and raw bytes after the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    tail: memoryview = field(default_factory=lambda: memoryview(b""))


def document(found: object, status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(status, _json(found), {"Content-Type": "application/json"})


def answer_of_error(error: MiniSegError) -> Answer:
    """An error's response: its one line, which starts with its code, and the matching status."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    headers = {"Content-Type": "application/json"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(status, _json({"error": str(error)}), headers, error.code)


def answer_of_masks(masks: ByteArray, remarks: Sequence[str], request: InferRequest, model: ServedModel) -> Answer:
    """Masks (N, H, W) uint8 as bytes or numbers, as requested, and what made them.

    Bytes are not copied: the response shares the memory of `masks`.
    """
    parameters = model.provenance | ({"warnings": "; ".join(remarks)} if remarks else {})
    found: dict[str, Any] = {"model_name": model.name, "model_version": VERSION, "parameters": parameters}
    if request.id is not None:
        found["id"] = request.id
    output: dict[str, Any] = {"name": OUTPUT, "datatype": OUTPUT_DATATYPE, "shape": list(masks.shape)}
    if not request.binary:
        head = _opened({**found, "outputs": []}, b"]}") + _opened(output, b"}") + b',"data":['
        return Answer(200, head, {"Content-Type": "application/json"}, tail=memoryview(_numbers(masks) + b"]}]}"))
    output["parameters"] = {"binary_data_size": masks.size}
    head = _json({**found, "outputs": [output]})
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return Answer(200, head, headers, tail=masks.reshape(-1).data)


def _numbers(masks: ByteArray) -> bytes:
    """Masks of zeros and ones as JSON numbers, without an object for each."""
    text = np.full(2 * masks.size - 1, ord(","), np.uint8)
    text[::2] = masks.reshape(-1)
    text[::2] += ord("0")
    return text.tobytes()


def _opened(found: object, end: bytes) -> bytes:
    """JSON without its closing characters, so that more can follow."""
    return _json(found).removesuffix(end)


def _json(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
