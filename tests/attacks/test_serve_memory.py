"""Requests as large as they may be, and worse: the service holds what its documents say, and gives it back."""

import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.runtimes.serving.protocol.infer_request import MAX_JSON_BYTES, request_from_body
from tests.attacks.peers import connected, head, memory_of
from tests.runtimes.serving.process import Array, Running, body_of, running, wait_until
from tests.runtimes.serving.protocol.test_infer_request import MODEL

pytestmark = pytest.mark.slow

MIB = 2**20
MAX_BODY, QUEUE, STREAMS = 8, 62, 2
PLACES = QUEUE + STREAMS


def bound(side: int) -> float:
    """What docs/serve.md grants, for slices of this size and a connection for each place."""
    return PLACES * MAX_BODY * MIB + (STREAMS + 1) * 32 * side**2 + PLACES * MIB / 2


WITHOUT_COLLECTOR = "import gc; gc.disable()"


@pytest.fixture(scope="module")
def service(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    words = ["--max-body", str(MAX_BODY), "--queue", str(QUEUE), "--streams", str(STREAMS), "--deadline", "100"]
    with running(demo_bundle_path, tmp_path_factory.mktemp("serve"), *words, code=WITHOUT_COLLECTOR) as found:
        yield found


class Watched:
    """The most memory that was seen, above what was held before."""

    highest = 0


@contextmanager
def watched(service: Running) -> Iterator[Watched]:
    before, found, ended = memory_of(service), Watched(), threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            found.highest = max(found.highest, memory_of(service) - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def largest(side: int, dtype: type[np.generic] = np.uint8) -> Array:
    """As many slices as a request may bring."""
    count = (MAX_BODY * MIB - 1000) // (side * side * np.dtype(dtype).itemsize)
    return np.random.default_rng(0).integers(0, 255, (count, side, side)).astype(dtype)


@pytest.mark.parametrize(("side", "dtype"), [(512, np.uint8), (2048, np.uint8), (1400, np.float32)])
def test_permitted_requests_of_the_maximum_stay_within_the_bound(
    service: Running, side: int, dtype: type[np.generic]
) -> None:
    slices = largest(side, dtype)
    with watched(service) as memory, ThreadPoolExecutor(PLACES) as pool:
        answers = list(pool.map(lambda _: service.infer(slices).status, range(PLACES)))
    assert answers == [200] * PLACES
    assert memory.highest < bound(side)
    service.wait_for_inside(0)


def test_what_is_held_is_given_back(service: Running) -> None:
    """Also what the C library would keep for its next large array."""
    service.infer(largest(512))
    before = memory_of(service)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: service.infer(largest(2048)).status, range(32))) == {200}
    wait_until(lambda: memory_of(service) - before < 48 * MIB, "it is given back")


def wrong(service: Running) -> None:
    """A body whose tensor has another size than it says."""
    body, headers = body_of(largest(512))
    assert service.ask("POST", service.infer_path, body[:-1], headers).status == 400


def cut(service: Running) -> None:
    """A body whose peer goes away."""
    body, headers = body_of(largest(512))
    lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
    with connected(service) as peer:
        peer.sendall(head(service, *lines) + body[:-1])
    service.wait_for_inside(0)


def late(service: Running) -> None:
    """A request that asks for less time than it takes."""
    body, headers = body_of(largest(512), timeout=1000)
    assert service.ask("POST", service.infer_path, body, headers).status == 504
    service.wait_for_inside(0)


def not_hu(service: Running) -> None:
    """Values that the Segmenter refuses."""
    body, headers = body_of(np.zeros((15, 512, 512), np.int16), "slice_hu")
    assert service.ask("POST", service.infer_path, body, headers).status == 400


def broken_json(service: Running) -> None:
    """JSON that breaks after millions of numbers."""
    text = b'{"inputs":[{"name":"slice","shape":[1,1,1],"datatype":"UINT8","data":[' + b"1," * (
        MAX_JSON_BYTES // 2 - 99
    )
    assert service.ask("POST", service.infer_path, text).status == 400


@pytest.mark.parametrize("refused", [wrong, cut, late, not_hu, broken_json], ids=lambda refused: refused.__name__)
def test_refused_bodies_are_forgotten_at_once(service: Running, refused: Callable[[Running], None]) -> None:
    """Without waiting for the collector of cycles, which is off in this service."""
    refused(service)
    with watched(service) as memory:
        for _ in range(30):
            refused(service)
    assert memory.highest < 64 * MIB


def written_out(datatype: str, text: str) -> bytes:
    """A request of as much JSON as may come, in numbers of one kind."""
    count = (MAX_JSON_BYTES - 200) // (len(text) + 1) // 1024
    tensor = {"name": "slice", "shape": [1, count, 1024], "datatype": datatype, "data": []}
    found = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return found.replace("[]", f"[{','.join([text] * (count * 1024))}]").encode()


@pytest.mark.parametrize(("datatype", "text"), [("UINT8", "7"), ("FP32", "1e1"), ("FP32", "123.0625")])
def test_json_of_the_maximum_is_read_in_short_steps(monkeypatch: pytest.MonkeyPatch, datatype: str, text: str) -> None:
    """None of them holds the interpreter for long, and no number becomes an object that stays."""
    body, steps, loads = written_out(datatype, text), [], json.loads

    def counted(document: str | bytes, **options: object) -> object:
        steps.append(len(document))
        return loads(document, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(json, "loads", counted)
    tracemalloc.start()
    try:
        request = request_from_body(memoryview(body), None, MODEL)
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (request.slices == float(text)).all()
    assert max(steps) <= 2**16
    assert highest < 8 * len(body)
