"""What goes back: masks, documents and errors, as the protocol writes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes.serving.infer_request import InferRequest
from miniseg_edge.runtimes.serving.model import OUTPUT, OUTPUT_DATATYPE, VERSION, ServedModel

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
"""The first that fits counts; whatever is not here is ours, 500."""


@dataclass(frozen=True)
class Answer:
    """A response: status, body, headers beside its length, and of an error its code."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""


def document(found: object, status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(status, _json(found), {"Content-Type": "application/json"})


def answer_of_error(error: MiniSegError) -> Answer:
    """An error's: its one line, which begins with its code, and the status that fits."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    headers = {"Content-Type": "application/json"}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(status, _json({"error": str(error)}), headers, error.code)


def answer_of_masks(masks: ByteArray, remarks: Sequence[str], request: InferRequest, model: ServedModel) -> Answer:
    """Masks (N, H, W) uint8 as bytes or numbers, whichever was asked for, and what made them."""
    output: dict[str, Any] = {"name": OUTPUT, "datatype": OUTPUT_DATATYPE, "shape": list(masks.shape)}
    data = masks.tobytes() if request.binary else b""
    if request.binary:
        output["parameters"] = {"binary_data_size": len(data)}
    else:
        output["data"] = masks.ravel().tolist()
    parameters = model.provenance | ({"warnings": "; ".join(remarks)} if remarks else {})
    found = {"model_name": model.name, "model_version": VERSION, "parameters": parameters, "outputs": [output]}
    if request.id is not None:
        found["id"] = request.id
    head = _json(found)
    if not request.binary:
        return Answer(200, head, {"Content-Type": "application/json"})
    return Answer(200, head + data, {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))})


def _json(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
