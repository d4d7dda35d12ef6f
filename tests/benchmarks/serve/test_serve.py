"""The load test of the service: what it counts is what happened, and it sees what is planted."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.benchmarks.command import main
from miniseg_edge.benchmarks.serve.client import LOST, Connection, Sample
from miniseg_edge.benchmarks.serve.load import open_loop
from miniseg_edge.benchmarks.serve.load_test import CLIENTS
from miniseg_edge.benchmarks.serve.picture import png_from_serve, show_serve
from miniseg_edge.benchmarks.serve.process import Served, served
from miniseg_edge.benchmarks.serve.report import MemorySample, ServeReport, memory_trend, phase_of
from miniseg_edge.benchmarks.traffic import Known
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.errors import InferenceError, InputError

SHARES = [[Known(np.full((4, 4), client, np.uint8), np.full((4, 4), client, np.uint8))] for client in range(3)]


class Peer(BaseHTTPRequestHandler):
    """A peer with known faults, of which each client's number chooses one: 0 right, 1 another's mask, 2 no answer."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        length = int(self.headers["Inference-Header-Content-Length"])
        name, pixels = json.loads(data[:length])["id"], data[length:]
        client = pixels[0]
        if client == 2:
            self.close_connection = True
            return
        head = json.dumps({"id": name}).encode()
        body = head + (pixels if client == 0 else bytes(len(pixels)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Inference-Header-Content-Length", str(len(head)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        pass


@contextmanager
def peer() -> Iterator[Served]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Peer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Served(server.server_address[1], 0, "any")
        finally:
            server.shutdown()
            thread.join()


def test_wrong_and_lost_masks_are_seen() -> None:
    with peer() as found:
        samples = open_loop(found, SHARES, per_s=200.0, seconds=0.3, seed=1)
    assert len(samples) == 60
    seen = {(one.client, one.status, one.right) for one in samples}
    assert seen == {(0, 200, True), (1, 200, False), (2, LOST, None)}
    phase = phase_of("planted", 1.0, samples, 0.3, 0.0)
    assert phase.requests == phase.masks + phase.lost == 60
    assert phase.wrong == sum(one.client == 1 for one in samples)
    assert phase.latency is not None
    assert phase.latency.samples == phase.masks


def test_another_requests_name_is_a_wrong_mask() -> None:
    class Mixing(Peer):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"id": "1/0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + 16))
            self.send_header("Inference-Header-Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body + bytes(16))

    with ThreadingHTTPServer(("127.0.0.1", 0), Mixing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        connection = Connection(server.server_address[1], "any")
        assert [connection.ask(SHARES[0][0], name).right for name in ("0/0", "1/0")] == [False, True]
        connection.close()
        server.shutdown()


def test_latency_counts_from_when_a_request_was_due() -> None:
    """Of 16 requests, eight connections keep the last eight waiting; their time runs anyway."""
    gate, asked = threading.Event(), threading.Semaphore(0)

    class Slow(Peer):
        def do_POST(self) -> None:
            asked.release()
            gate.wait()
            super().do_POST()

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found: list[Sample] = []
        target = Served(server.server_address[1], 0, "any")
        load = threading.Thread(target=lambda: found.extend(open_loop(target, SHARES[:1], 1e4, 0.0016, 1)))
        load.start()
        asked.acquire()
        begun = time.perf_counter()
        time.sleep(0.2)
        opened = time.perf_counter()
        gate.set()
        load.join()
        server.shutdown()
    assert len(found) == 16
    assert all(one.right for one in found)
    # Nothing was answered before `opened`, and the load had begun before `begun`.
    assert all(begun + one.due_s + one.latency_ms / 1e3 >= opened for one in found)


def test_memory_that_rises_is_seen() -> None:
    still = [MemorySample(i * 0.2, 100.0 + (i % 3)) for i in range(100)]
    rising = [replace(one, mb=one.mb + one.elapsed_s) for one in still]
    assert not memory_trend(still, 5.0)[2].grows
    first, last, slope = memory_trend(rising, 5.0)
    assert slope.grows
    assert last - first > 10.0


@pytest.mark.slow
def test_the_command_loads_a_service_and_writes_what_came(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["serve", str(demo_bundle_path), "--seconds", "1", "--output", str(tmp_path / "out"), "--threads", "1"]
    code = main([*words, "--runtime", "openvino"])
    found = object_from_json((tmp_path / "out" / "serve.json").read_bytes(), "serve.json", InputError)
    report = record_from_object(ServeReport, found, "serve.json", InputError)
    assert code == (0 if report.sound else 1)
    assert [phase.share for phase in report.phases] == [0.0, 0.5, 1.0, 2.0]
    for phase in report.phases:
        assert phase.requests == len(phase.samples) == phase.masks + phase.busy + phase.late
        assert (phase.wrong, phase.lost, phase.other) == (0, 0, 0)
        assert phase.masks > 0
    assert {one.client for one in report.phases[0].samples} == set(range(CLIENTS))
    assert len(report.memory) > 10
    assert png_from_serve(report).startswith(b"\x89PNG")
    assert (tmp_path / "out" / "serve.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    wrong = replace(report, phases=(replace(report.phases[0], wrong=1), *report.phases[1:]))
    assert not wrong.sound
    show_serve(wrong)
    assert "every request got its own mask" not in capsys.readouterr().out
    assert main(words) == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_a_load_test_without_time_is_refused(tmp_path: Path, seconds: str) -> None:
    assert main(["serve", str(tmp_path / "bundle"), "--seconds", seconds, "--output", str(tmp_path / "out")]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_does_not_start_is_said_so_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="none"), served(tmp_path / "none", []):
        pass
