"""Parses a request for masks: JSON, or JSON followed by binary tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from miniseg_edge.bundle.records import object_from_json
from miniseg_edge.errors import RequestError, TooLargeError
from miniseg_edge.runtimes.serving.protocol.json_numbers import array_from_numbers, without_numbers
from miniseg_edge.runtimes.serving.protocol.model import DATATYPES, HU_INPUT, OUTPUT, ServedModel
from miniseg_edge.runtimes.serving.protocol.tensors import Array, array_from_bytes, elements_of

MAX_JSON_BYTES = 4 * 2**20
"""Maximum JSON; more slices must be sent as binary tensors."""

MAX_DOCUMENT_BYTES = 2**16
"""Maximum JSON without the numbers of `data`; it is parsed in one step, and blocks other threads meanwhile."""

MAX_SLICES, MAX_PIXELS = 4096, 2**22
"""Maximum slices of a request, and pixels of a slice (2048 x 2048): an engine needs many times a slice's bytes."""

_MAX_AXES, _MAX_ID = 8, 1024
_MAX_TIMEOUT_US = 10**15
_TENSOR_FIELDS = ({"name", "shape", "datatype"}, {"parameters", "data"})
_PARAMETERS = {"timeout": int, "binary_data_output": bool, "assume_hu": bool}
_NUMBERS_A_MASK = 2
"""Bytes of a mask's pixel in JSON: a digit and a comma."""


@dataclass(frozen=True)
class InferRequest:
    """What is asked for.

    Attributes:
        id: to be returned, or None; it may name a patient, so it is never logged.
        slices: (N, H, W), or (N, H, W, C) for a bundle that takes C channels.
        in_hu: whether they are HU.
        assume_hu: whether the client insists that they are HU.
        binary: whether the masks are requested as bytes.
        timeout_s: the requested timeout, or None.
    """

    id: str | None
    slices: Array
    in_hu: bool
    assume_hu: bool
    binary: bool
    timeout_s: float | None


def request_from_body(body: bytes | memoryview, json_length: int | None, model: ServedModel) -> InferRequest:
    """Reads a request's body.

    Args:
        body: the whole body; binary slices share its memory.
        json_length: bytes of JSON before the binary tensors; None if all is JSON.
        model: that it is for.

    Raises:
        RequestError: violates the protocol or the model's metadata. TooLargeError: more JSON than `MAX_JSON_BYTES`.
    """
    length = len(body) if json_length is None else json_length
    if length > MAX_JSON_BYTES:
        raise TooLargeError(
            "too much JSON",
            expected=f"at most {MAX_JSON_BYTES} bytes",
            got=f"{length}",
            remedy="Send binary tensors, or fewer slices.",
        )
    if length > len(body):
        raise RequestError("the JSON ends before its length", expected=f"{length} bytes", got=f"{len(body)}")
    document, numbers = without_numbers(bytes(body[:length]))
    if len(document) > MAX_DOCUMENT_BYTES:
        wanted = f"at most {MAX_DOCUMENT_BYTES} bytes beside the numbers of data"
        raise RequestError("JSON that is not a list of numbers is too long", expected=wanted, got=f"{len(document)}")
    found = object_from_json(document, "the request", RequestError)
    _check_fields(found, "the request", {"inputs"}, {"id", "parameters", "outputs"})
    parameters = _parameters(found, "the request", _PARAMETERS)
    (tensor,) = _list(found["inputs"], "inputs", 1)
    name, slices = _input(tensor, numbers, memoryview(body)[length:], model)
    binary = _wants_binary(found.get("outputs"), parameters.get("binary_data_output") is True)
    wanted_json = slices.shape[0] * slices.shape[1] * slices.shape[2] * _NUMBERS_A_MASK
    if not binary and wanted_json > MAX_JSON_BYTES:
        raise TooLargeError(
            "the masks are too large for JSON", expected=f"at most {MAX_JSON_BYTES} bytes", got=f"{wanted_json}",
            remedy="Ask for binary_data_output.",
        )  # fmt: skip
    timeout_us = parameters.get("timeout", 0)
    if not 0 <= timeout_us <= _MAX_TIMEOUT_US:
        raise RequestError(
            "the timeout is invalid", expected="microseconds, or 0 for the service's own", got=str(timeout_us)
        )
    if "assume_hu" in parameters and name != HU_INPUT:
        raise RequestError("assume_hu only applies to HU", expected=HU_INPUT, got=name)
    assume_hu = parameters.get("assume_hu") is True
    return InferRequest(_id(found), slices, name == HU_INPUT, assume_hu, binary, timeout_us / 1e6 or None)


def _input(tensor: object, numbers: bytes | None, tail: memoryview, model: ServedModel) -> tuple[str, Array]:
    """Its name and its array, from the numbers in its JSON or from the bytes after it."""
    fields = _object(tensor, "an input")
    _check_fields(fields, "an input", *_TENSOR_FIELDS)
    name = _one_of(fields["name"], model.inputs, "an input's name")
    datatype = _one_of(fields["datatype"], DATATYPES[name], f"the datatype of {name}")
    shape = _shape(fields["shape"], model)
    size = _parameters(fields, name, {"binary_data_size": int}).get("binary_data_size")
    if (size is None) == ("data" not in fields):
        raise RequestError(
            f"{name} needs its data exactly once", expected="data, or binary_data_size", got="both or neither"
        )
    if (size or 0) != len(tail):
        raise RequestError(
            "the bytes after the JSON do not match the inputs", expected=f"{size or 0} bytes", got=f"{len(tail)}"
        )
    if size is None:
        if numbers is None or fields["data"] is not None:
            raise RequestError(
                "a tensor's data are not numbers", expected=f"a list of {datatype}", got="something else"
            )
        return name, array_from_numbers(numbers, datatype, shape)
    return name, array_from_bytes(tail, datatype, shape)


def _shape(value: object, model: ServedModel) -> tuple[int, ...]:
    sides = value if isinstance(value, list) else []
    if not 0 < len(sides) <= _MAX_AXES or any(type(side) is not int for side in sides):
        raise RequestError("a shape is invalid", expected="a list of whole numbers", got=type(value).__name__)
    wanted = "(slices, height, width)" if model.channels == 1 else f"(slices, height, width, {model.channels})"
    if len(sides) != model.axes or (model.channels > 1 and sides[3] != model.channels):
        raise RequestError("an input has a wrong shape", expected=wanted, got=str(tuple(sides)))
    elements_of(tuple(sides))
    if sides[0] > MAX_SLICES or sides[1] * sides[2] > MAX_PIXELS:
        wanted = f"at most {MAX_SLICES} slices of at most {MAX_PIXELS} pixels"
        raise TooLargeError("slices are too many or too large", expected=wanted, got=str(tuple(sides)))
    return tuple(sides)


def _wants_binary(outputs: object, default: bool) -> bool:
    """Whether the output is returned as bytes."""
    if outputs is None or outputs == []:
        return default
    (output,) = _list(outputs, "outputs", 1)
    fields = _object(output, "an output")
    _check_fields(fields, "an output", {"name"}, {"parameters"})
    _one_of(fields["name"], (OUTPUT,), "an output's name")
    return bool(_parameters(fields, OUTPUT, {"binary_data": bool}).get("binary_data", default))


def _parameters(fields: dict[str, Any], what: str, known: dict[str, type]) -> dict[str, Any]:
    """Its parameters; an unknown one could change the request's meaning, so it is refused."""
    found = _object(fields.get("parameters", {}), f"parameters of {what}")
    _check_fields(found, f"parameters of {what}", set(), set(known))
    for name, value in found.items():
        if type(value) is not known[name]:
            raise RequestError(f"{name} has a wrong type", expected=known[name].__name__, got=type(value).__name__)
    return found


def _check_fields(found: dict[str, Any], what: str, needed: set[str], others: set[str]) -> None:
    if needed - found.keys() or found.keys() - needed - others:
        wanted = ", ".join(sorted(needed | others)) or "none"
        raise RequestError(
            f"{what} has wrong fields", expected=wanted, got=f"{len(found)} fields, of others or without some"
        )


def _one_of(value: object, known: tuple[str, ...], what: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise RequestError(f"{what} is unknown", expected=" or ".join(known), got="another")
    return value


def _object(value: object, what: str) -> dict[str, Any]:
    found: dict[str, Any] = _typed(value, dict, what)
    return found


def _list(value: object, what: str, count: int) -> list[Any]:
    found: list[Any] = _typed(value, list, what)
    if len(found) != count:
        raise RequestError(f"{what} has a wrong length", expected=f"{count}", got=f"{len(found)}")
    return found


def _typed(value: object, kind: Callable[..., Any], what: str) -> Any:
    if type(value) is not kind:
        raise RequestError(f"{what} has a wrong type", expected=kind.__name__, got=type(value).__name__)
    return value


def _id(found: dict[str, Any]) -> str | None:
    value = found.get("id")
    if value is not None and (not isinstance(value, str) or len(value) > _MAX_ID):
        raise RequestError("the id is invalid", expected=f"at most {_MAX_ID} characters", got=type(value).__name__)
    return value
