"""A service that runs, asked by Triton's client and byte by byte; every mask is the Segmenter's, bit for bit."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

import miniseg_edge
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray
from tests.ct_values import NOT_HU, phantom_hu
from tests.runtimes.serving.process import Array, Running, body_of, running, wait_until

pytestmark = pytest.mark.slow

CLIENTS, REQUESTS = 8, 12


def stack(count: int, size: tuple[int, int] = (64, 64), first: int = 0) -> ByteArray:
    return np.stack([phantom(first + seed, size).image for seed in range(count)])


def in_hu(slices: ByteArray) -> Array:
    return (slices.astype(np.float32) * np.float32(1500 / 255) - np.float32(1250)).astype(np.int16)


@pytest.fixture(scope="module")
def segmenter(demo_bundle_path: Path) -> Iterator[Segmenter]:
    with miniseg_edge.load(demo_bundle_path, threads=1, streams=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(demo_bundle_path, tmp_path_factory.mktemp("serve"), "--deadline", "100", "--max-body", "5") as found:
        yield found
        code, out, error = found.stopped()
        assert code == 0
        assert [line for line in error.splitlines() if "WARNING" in line or "ERROR" in line] == []
        assert out.splitlines()[-1] == "stopped"


@pytest.fixture
def client(service: Running) -> Iterator[Any]:
    opened = triton.InferenceServerClient(f"127.0.0.1:{service.port}", network_timeout=100.0)
    yield opened
    opened.close()


def asked(client: Any, model: str, name: str, slices: Array, *, binary: bool = True, **others: Any) -> Any:
    datatype = {"uint8": "UINT8", "int16": "INT16", "float32": "FP32"}[slices.dtype.name]
    tensor = triton.InferInput(name, list(slices.shape), datatype)
    tensor.set_data_from_numpy(slices, binary_data=binary)
    output = triton.InferRequestedOutput("mask", binary_data=binary)
    return client.infer(model, [tensor], outputs=[output], **others)


def test_it_says_what_it_is(client: Any, service: Running, demo_bundle_path: Path) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(service.model)
    assert client.is_model_ready(service.model, "1")
    assert not client.is_model_ready(service.model, "2")
    assert not client.is_model_ready("another")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    found = client.get_model_metadata(service.model, "1")
    assert [(one["name"], one["datatype"], one["shape"]) for one in (*found["inputs"], *found["outputs"])] == [
        ("slice", "UINT8", [-1, -1, -1]),
        ("slice_hu", "INT16", [-1, -1, -1]),
        ("mask", "UINT8", [-1, -1, -1]),
    ]
    assert found["parameters"]["bundle_digest"] == miniseg_edge.open_bundle(demo_bundle_path).manifest.digest


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("size", [(64, 64), (50, 70)])
@pytest.mark.parametrize("kind", ["uint8", "float32", "hu int16", "hu float32"])
def test_masks_are_the_segmenters(
    client: Any, service: Running, segmenter: Segmenter, kind: str, size: tuple[int, int], binary: bool
) -> None:
    grey = stack(3, size)
    slices: Array = in_hu(grey) if kind.startswith("hu") else grey
    slices = slices.astype(kind.rpartition(" ")[2])
    one = segmenter.segment_hu if kind.startswith("hu") else segmenter.segment
    found = asked(client, service.model, "slice_hu" if kind.startswith("hu") else "slice", slices, binary=binary)
    wanted = np.stack([one(slice_).mask for slice_ in slices])
    assert wanted.any()
    np.testing.assert_array_equal(found.as_numpy("mask"), wanted)
    assert found.as_numpy("mask").dtype == np.uint8
    assert found.get_response()["parameters"]["runtime"] == segmenter.choice.entry.name


def test_eight_clients_at_once_get_their_own(service: Running, segmenter: Segmenter) -> None:
    slices = stack(CLIENTS * REQUESTS).reshape(CLIENTS, REQUESTS, 64, 64)
    wanted = [[segmenter.segment(slice_).mask for slice_ in share] for share in slices]

    def ask_all(number: int) -> list[tuple[str, ByteArray]]:
        client = triton.InferenceServerClient(f"127.0.0.1:{service.port}", network_timeout=100.0)
        try:
            answers = [
                asked(client, service.model, "slice", slice_[None], request_id=f"{number}/{index}")
                for index, slice_ in enumerate(slices[number])
            ]
            return [(answer.get_response()["id"], answer.as_numpy("mask")[0]) for answer in answers]
        finally:
            client.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        for number, answers in enumerate(pool.map(ask_all, range(CLIENTS))):
            for index, (name, mask) in enumerate(answers):
                assert name == f"{number}/{index}"
                np.testing.assert_array_equal(mask, wanted[number][index])
    assert service.metric("miniseg_requests_inside") == 0


def test_a_remark_about_a_slice_comes_with_its_mask(service: Running) -> None:
    slices = stack(2)
    slices[1] = 7
    assert service.infer(slices).head["parameters"]["warnings"] == "slice 1: constant slice: every pixel is 7"


@pytest.mark.parametrize("name", ["grey 0..255", "grey 0..1", "HU + 1024 in int16", "all 0", "0 and 1", "6 labels"])
def test_values_that_are_not_hu_are_refused(service: Running, client: Any, segmenter: Segmenter, name: str) -> None:
    change, looks_like = NOT_HU[name]
    wrong = change(phantom_hu(2))
    slices = wrong.astype(np.float32 if wrong.dtype.kind == "f" else np.int16)
    got = service.ask("POST", service.infer_path, *body_of(slices, "slice_hu"))
    assert (got.status, got.error.partition(":")[0]) == (400, "NOT_HU")
    assert looks_like in got.error
    answer = asked(client, service.model, "slice_hu", slices, parameters={"assume_hu": True})
    np.testing.assert_array_equal(
        answer.as_numpy("mask"), [segmenter.segment_hu(slice_, assume_hu=True).mask for slice_ in slices]
    )
    warnings = answer.get_response()["parameters"]["warnings"]
    assert warnings.startswith("slice 0: taken as HU on the caller's word")
    assert looks_like in warnings


def test_a_doubtful_slice_is_segmented_with_a_warning(service: Running, client: Any) -> None:
    crop = np.random.default_rng(0).normal(50, 20, (1, 64, 64)).astype(np.int16)
    answer = asked(client, service.model, "slice_hu", crop)
    assert "slice 0: the values may not be HU: soft tissue" in answer.get_response()["parameters"]["warnings"]
    answer = asked(client, service.model, "slice_hu", phantom_hu(1))
    assert "warnings" not in answer.get_response()["parameters"]


def test_a_request_may_ask_for_less_time(client: Any, service: Running) -> None:
    with pytest.raises(InferenceServerException, match="DEADLINE") as caught:
        asked(client, service.model, "slice", stack(1), timeout=1)
    assert caught.value.status() == "504"
    assert service.infer(stack(1), timeout=0).status == 200


GREY = np.zeros((1, 64, 64), np.uint8)
BODY, HEADERS = body_of(GREY)
LENGTH = "Inference-Header-Content-Length"


def edited(**changes: Any) -> bytes:
    """A request in JSON whose only input is changed; None takes a field away."""
    tensor: dict[str, Any] = {"name": "slice", "shape": [1, 2, 2], "datatype": "UINT8", "data": [1, 2, 3, 4], **changes}
    return json.dumps({"inputs": [{key: value for key, value in tensor.items() if value is not None}]}).encode()


BAD: dict[str, tuple[int, str, bytes, dict[str, str]]] = {
    "nothing": (400, "REQUEST", b"", {}),
    "no JSON": (400, "REQUEST", b"\x00\xff", {}),
    "no object": (400, "REQUEST", b"[]", {}),
    "deep": (400, "REQUEST", b"[" * 100_000, {}),
    "a key twice": (400, "REQUEST", b'{"inputs":[],"inputs":[]}', {}),
    "no inputs": (400, "REQUEST", b"{}", {}),
    "two inputs": (400, "REQUEST", json.dumps({"inputs": [json.loads(edited())["inputs"][0]] * 2}).encode(), {}),
    "another name": (400, "REQUEST", edited(name="image"), {}),
    "another datatype": (400, "REQUEST", edited(datatype="FP64"), {}),
    "HU in bytes": (400, "REQUEST", edited(name="slice_hu"), {}),
    "a number as datatype": (400, "REQUEST", edited(datatype=8), {}),
    "shape and data": (400, "REQUEST", edited(shape=[1, 2, 3]), {}),
    "two axes": (400, "REQUEST", edited(shape=[2, 2]), {}),
    "no axes": (400, "REQUEST", edited(shape=[]), {}),
    "an empty side": (400, "REQUEST", edited(shape=[1, 0, 4], data=[]), {}),
    "a negative side": (400, "REQUEST", edited(shape=[-1, -2, 2]), {}),
    "absurd sides": (400, "REQUEST", edited(shape=[10**17] * 3), {}),
    "a fraction of a side": (400, "REQUEST", edited(shape=[1, 2.0, 2]), {}),
    "beyond UINT8": (400, "REQUEST", edited(data=[1, 2, 3, 256]), {}),
    "words": (400, "REQUEST", edited(data=["a", "b", "c", "d"]), {}),
    "truth": (400, "REQUEST", edited(data=[True, False, True, True]), {}),
    "fractions": (400, "REQUEST", edited(data=[0.5, 1, 2, 3]), {}),
    "ragged": (400, "REQUEST", edited(data=[[[1, 2], [3]]]), {}),
    "null": (400, "REQUEST", b'{"inputs":[{"name":"slice","shape":[1,1,1],"datatype":"UINT8","data":[null]}]}', {}),
    "NaN": (400, "REQUEST", edited(datatype="FP32", data=[float("nan")] * 4), {}),
    "infinity": (400, "INPUT", edited(datatype="FP32").replace(b"[1, 2, 3, 4]", b"[1, 2, 3, 1e999]"), {}),
    "beyond grey": (400, "INPUT", edited(datatype="FP32", data=[0, 0, 0, 256]), {}),
    "no data": (400, "REQUEST", edited(data=None), {}),
    "data twice": (400, "REQUEST", edited(parameters={"binary_data_size": 4}), {}),
    "shared memory": (400, "REQUEST", edited(data=None, parameters={"shared_memory_region": "r"}), {}),
    "a foreign field": (400, "REQUEST", edited(patient="?"), {}),
    "bytes behind": (400, "REQUEST", edited() + b"1234", {LENGTH: str(len(edited()))}),
    "a byte less": (400, "REQUEST", BODY[:-1], HEADERS),
    "a byte more": (400, "REQUEST", BODY + b"0", HEADERS),
    "longer JSON than body": (400, "REQUEST", BODY, {LENGTH: str(len(BODY) + 1)}),
    "a negative length": (400, "REQUEST", BODY, {LENGTH: "-1"}),
    "no length": (400, "REQUEST", BODY, {LENGTH: "1e3"}),
    "a length of many digits": (400, "REQUEST", BODY, {LENGTH: "9" * 5000}),
    "cut within JSON": (400, "REQUEST", BODY, {LENGTH: "17"}),
    "compressed": (400, "REQUEST", BODY, {**HEADERS, "Content-Encoding": "gzip"}),
    "a negative timeout": (400, "REQUEST", body_of(GREY, timeout=-1)[0], body_of(GREY, timeout=-1)[1]),
    "a foreign parameter": (400, "REQUEST", *body_of(GREY, sequence_id=3)),
    "too much JSON": (413, "TOO_LARGE", b" " * 2**22 + b"{}", {}),
    "too large": (413, "TOO_LARGE", b"0" * (5 * 2**20 + 1), {LENGTH: "2"}),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_requests_get_their_error_and_nothing_else_happens(service: Running, what: str) -> None:
    status, code, body, headers = BAD[what]
    got = service.ask("POST", service.infer_path, body, headers)
    assert (got.status, got.error.partition(":")[0]) == (status, code)
    assert service.infer(GREY).status == 200


def test_words_of_unlike_lengths_take_no_memory(service: Running) -> None:
    """NumPy would make an array of words that are all as long as the longest: 200 GB of these two megabytes."""
    before = service.metric("process_resident_memory_bytes")
    words = ["a" * 10**6, *["b"] * 200_000]
    got = service.ask("POST", service.infer_path, edited(shape=[1, 1, len(words)], data=words))
    assert (got.status, got.error.partition(":")[0]) == (400, "REQUEST")
    assert service.metric("process_resident_memory_bytes") - before < 2e8


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v2/models/another/infer", 404, "UNKNOWN_MODEL"),
        ("GET", "/v2/models/another", 404, "UNKNOWN_MODEL"),
        ("POST", "/v2/models/demo/versions/2/infer", 404, "UNKNOWN_MODEL"),
        ("GET", "/v2/models/demo/infer", 405, "REQUEST"),
        ("GET", "/v2/nowhere", 404, "REQUEST"),
        ("GET", "/../../etc/passwd", 404, "REQUEST"),
    ],
)
def test_other_paths_lead_nowhere(service: Running, method: str, path: str, status: int, code: str) -> None:
    got = service.ask(method, path)
    assert (got.status, got.error.partition(":")[0]) == (status, code)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://127.0.0.1"}])
def test_web_pages_and_other_names_are_refused(service: Running, headers: dict[str, str]) -> None:
    got = service.ask("GET", "/v2", headers=headers)
    assert (got.status, got.error.partition(":")[0]) == (403, "FORBIDDEN")


def test_a_body_in_chunks_is_refused_before_it_is_read(service: Running) -> None:
    connection = service.connection()
    try:
        connection.request("POST", service.infer_path, iter([b"{}"]), encode_chunked=True)
        assert connection.getresponse().status == 400
    finally:
        connection.close()


def test_one_connection_serves_after_errors(service: Running, segmenter: Segmenter) -> None:
    slices = stack(1, first=40)
    connection = service.connection()
    try:
        for body, headers in [(BODY[:-1], HEADERS), (b"0" * (5 * 2**20 + 1), {}), body_of(slices)]:
            connection.request("POST", service.infer_path, body, headers)
            got = connection.getresponse()
            data = got.read()
        assert got.status == 200
        np.testing.assert_array_equal(
            np.frombuffer(data[int(got.headers[LENGTH]) :], np.uint8), segmenter.segment(slices[0]).mask.ravel()
        )
    finally:
        connection.close()


def test_who_goes_away_gives_the_place_up(service: Running) -> None:
    with service.half_asked(GREY):
        service.wait_for_inside(1)
    service.wait_for_inside(0)
    wait_until(lambda: service.metric('miniseg_requests_total{code="GONE",status="499"}') >= 1, "it is counted")
