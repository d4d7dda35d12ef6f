from pathlib import Path

import psutil
import pytest

from miniseg_edge.benchmarks.session.process import WorkerProcess
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.errors import InferenceError
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png


@pytest.fixture
def slices(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{seed}.png" for seed in (1, 2, 3)]
    for seed, path in enumerate(paths):
        write_png(path, phantom(seed, size=(64, 64)).image)
    return paths


def configuration(bundle_path: Path, runtime: str = "onnxruntime", leak_kb: int = 0) -> Configuration:
    return Configuration("one", runtime, "fp32", str(bundle_path), threads=1, leak_kb=leak_kb)


def test_each_configuration_is_a_process_that_ends_with_its_turn(bundle_path: Path, slices: list[Path]) -> None:
    before = set(psutil.Process().children(recursive=True))
    with WorkerProcess(configuration(bundle_path), bundle_path, slices) as worker:
        assert len(set(psutil.Process().children(recursive=True)) - before) == 1
        answer = worker.ask("single_stream", seconds=0.0, min_samples=7)
        assert len(answer["stages_ms"]) == 7, "every sample comes back"
        assert all(len(stages) == 3 and min(stages) >= 0 for stages in answer["stages_ms"])
    assert set(psutil.Process().children(recursive=True)) <= before


def test_offline_counts_whole_passes_and_burst_ends_after_it_begins(bundle_path: Path, slices: list[Path]) -> None:
    with WorkerProcess(configuration(bundle_path), bundle_path, slices, streams=2) as worker:
        offline = worker.ask("offline", seconds=0.01)
        assert offline["slices"] % 3 == 0
        assert offline["slices"] > 0
        burst = worker.ask("burst", count=8)
        assert burst["slices"] == 8
        assert burst["last_ms"] >= burst["first_ms"]


def test_a_planted_leak_shows_in_the_memory(bundle_path: Path, slices: list[Path]) -> None:
    with WorkerProcess(configuration(bundle_path, leak_kb=1024), bundle_path, slices) as worker:
        worker.ask("warm_up", seconds=0.1)
        before = worker.ask("peak_memory")
        worker.ask("single_stream", seconds=0.0, min_samples=100)
        assert worker.ask("peak_memory") - before > 90


def test_peak_memory_is_the_workers_own(bundle_path: Path, slices: list[Path]) -> None:
    ballast = bytearray(b"x" * 700_000_000)
    with WorkerProcess(configuration(bundle_path), bundle_path, slices) as worker:
        assert worker.ask("peak_memory") < 600
    assert len(ballast) == 700_000_000


def test_what_cannot_be_opened_says_why(bundle_path: Path, slices: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="is not a bundle"):
        WorkerProcess(configuration(tmp_path / "missing"), bundle_path, slices)


def test_a_worker_that_dies_is_an_error_not_a_hang(bundle_path: Path, slices: list[Path]) -> None:
    with WorkerProcess(configuration(bundle_path), bundle_path, slices) as worker:
        worker._process.kill()
        with pytest.raises(InferenceError, match=r"died|gone"):
            worker.ask("warm_up", seconds=1.0)
