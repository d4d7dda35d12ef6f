"""The service's front door without a service: whatever the bytes, it answers with its own errors."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import RequestError, TooLargeError
from miniseg_edge.runtimes.serving.protocol.infer_request import request_from_body
from miniseg_edge.runtimes.serving.protocol.model import ServedModel
from tests.runtimes.serving.process import body_of

MODEL = ServedModel("lung", 1, ("slice", "slice_hu"), "openvino", "cpu", "fp32", "d" * 64)
COLOUR = ServedModel("lung", 3, ("slice",), "openvino", "cpu", "fp32", "d" * 64)
SLICES = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 12
BODY, HEADERS = body_of(SLICES, "slice_hu", timeout=250_000)
LENGTH = int(HEADERS["Inference-Header-Content-Length"])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def test_a_request_is_read() -> None:
    found = request_from_body(BODY, LENGTH, MODEL)
    np.testing.assert_array_equal(found.slices, SLICES)
    assert (found.id, found.in_hu, found.binary, found.timeout_s) == (None, True, True, 0.25)


def test_whoever_insists_that_values_are_hu_is_heard() -> None:
    assert not request_from_body(BODY, LENGTH, MODEL).assume_hu
    for told in (False, True):
        body, headers = body_of(SLICES, "slice_hu", assume_hu=told)
        assert request_from_body(body, int(headers["Inference-Header-Content-Length"]), MODEL).assume_hu is told


@pytest.mark.parametrize(
    ("slices", "name", "told"),
    [(SLICES, "slice_hu", 1), (SLICES, "slice_hu", "yes"), (SLICES.astype(np.uint8), "slice", True)],
)
def test_insisting_otherwise_is_refused(slices: npt.NDArray[np.generic], name: str, told: object) -> None:
    body, headers = body_of(slices, name, assume_hu=told)
    with pytest.raises(RequestError, match="assume_hu"):
        request_from_body(body, int(headers["Inference-Header-Content-Length"]), MODEL)


def test_channels_are_an_axis_of_their_own() -> None:
    body, headers = body_of(np.zeros((2, 5, 6, 3), np.uint8))
    length = int(headers["Inference-Header-Content-Length"])
    assert request_from_body(body, length, COLOUR).slices.shape == (2, 5, 6, 3)
    with pytest.raises(RequestError, match="wrong shape"):
        request_from_body(body, length, MODEL)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_broken_bytes_are_refused_or_read(data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    length = data.draw(st.none() | st.just(LENGTH) | st.integers(0, 2 * len(body)))
    try:
        found = request_from_body(bytes(body[: data.draw(st.sampled_from([cut, len(body)]))]), length, MODEL)
    except RequestError:
        return
    assert found.slices.shape == SLICES.shape or found.slices.size


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["inputs", "outputs", "parameters", "id"]), json_values)
def test_any_json_in_any_place_is_refused_or_read(place: str, value: object) -> None:
    found = json.loads(BODY[:LENGTH])
    found[place] = value
    head = json.dumps(found).encode()
    try:
        request_from_body(head + BODY[LENGTH:], len(head), MODEL)
    except RequestError:
        return
    assert place != "inputs"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["name", "shape", "datatype", "parameters", "data"]), json_values)
def test_any_json_in_a_tensor_is_refused_or_read(place: str, value: object) -> None:
    tensor = {"name": "slice", "shape": [1, 2, 2], "datatype": "UINT8", "data": [1, 2, 3, 4], place: value}
    try:
        found = request_from_body(json.dumps({"inputs": [tensor]}).encode(), None, MODEL)
    except RequestError:
        return
    assert found.slices.dtype == np.uint8
    assert found.slices.shape == (1, 2, 2) or place == "shape"


@pytest.mark.parametrize("shape", [[4097, 1, 1], [1, 2049, 2048], [1, 1, 2**22 + 1]])
def test_slices_that_are_too_many_or_too_large_are_refused(shape: list[int]) -> None:
    head = {"inputs": [{"name": "slice", "shape": shape, "datatype": "UINT8", "parameters": {"binary_data_size": 1}}]}
    data = json.dumps(head).encode()
    with pytest.raises(TooLargeError, match="too many or too large"):
        request_from_body(data + b"0", len(data), MODEL)
