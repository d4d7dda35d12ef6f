"""Engines that hang: commands end at their deadline, and neither `close` nor the end of a process waits for them."""

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from miniseg_edge.bundle.bundle import write_bundle
from tests.attacks.models import onnx_bundle, onnx_model
from tests.runtimes.serving.process import PATIENCE_S, Running, running, wait_until

NEVER_S = 120
"""After which a process is taken to wait for what never ends."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = onnx_bundle(onnx_model([helper.make_node("Relu", ["slice"], ["logit"])]), ["Relu"])
    write_bundle(made, tmp_path / "bundle")
    return tmp_path / "bundle"


def ended(scenario: str, path: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.faults.hanging", scenario, str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=NEVER_S, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "scenario", ["verify", *(pytest.param(s, marks=pytest.mark.slow) for s in ("verify-open", "serve", "serve-open"))]
)
def test_a_command_ends_at_its_deadline(path: Path, scenario: str) -> None:
    code, said = ended(scenario, path)
    assert code == 1, said
    assert "DEADLINE" in said


@pytest.mark.parametrize(
    "scenario",
    [
        *("jobs", "stream"),
        *(pytest.param(s, marks=pytest.mark.slow) for s in ("second_engine", "load", "fallback", "late_engine")),
    ],
)
def test_neither_load_nor_close_nor_exit_waits(path: Path, scenario: str) -> None:
    assert ended(scenario, path)[0] == 0


STUCK, SERVED = (np.full((1, 32, 32), grey, np.uint8) for grey in (255, 9))


@contextmanager
def serving(path: Path, folder: Path, *words: str) -> Iterator[tuple[Running, Path]]:
    """A service whose engine hangs on white slices, and the file that says that it does."""
    hung = folder / "hung"
    code = f"from tests.faults.hanging import hang_on_white; hang_on_white({str(hung)!r})"
    with running(path, folder, "--runtime", "onnxruntime", *words, code=code) as service:
        yield service, hung


@pytest.mark.slow
def test_an_engine_that_hangs_takes_its_streams_from_a_service_and_nothing_else(path: Path, tmp_path: Path) -> None:
    with serving(path, tmp_path, "--streams", "2", "--deadline", "1") as (service, _):
        assert service.infer(STUCK).error.startswith("DEADLINE")
        assert service.infer(SERVED).status == 200  # on the other stream
        assert service.infer(STUCK).error.startswith("DEADLINE")
        assert service.infer(SERVED).error.startswith("DEADLINE")  # no stream is left
        assert service.infer(np.repeat(SERVED, 4, axis=0)).error.startswith("DEADLINE")
        assert service.ask("GET", "/v2/health/live").status == 200
        code, said, _ = service.stopped()
    assert (code, "stopped" in said) == (0, True)


@pytest.mark.slow
def test_a_service_that_is_stopped_waits_for_a_hanging_engine_until_the_deadline(path: Path, tmp_path: Path) -> None:
    with serving(path, tmp_path, "--deadline", "2") as (service, hung), ThreadPoolExecutor() as pool:
        asked = pool.submit(service.infer, STUCK)
        wait_until(hung.exists, "the engine hangs")
        service.process.send_signal(signal.SIGTERM)
        assert asked.result().error.startswith("DEADLINE")
        code, said, _ = service.stopped()
    assert (code, "stopped" in said) == (0, True)


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_a_hanging_engine(path: Path, tmp_path: Path) -> None:
    """Whatever the deadline of the request inside."""
    deadline_s = str(100 * PATIENCE_S)
    with serving(path, tmp_path, "--deadline", deadline_s) as (service, hung), ThreadPoolExecutor() as pool:
        asked = pool.submit(service.infer, STUCK)
        wait_until(hung.exists, "the engine hangs")
        service.process.send_signal(signal.SIGINT)
        wait_until(lambda: service.ask("GET", "/v2/health/ready").status == 400, "it is stopping")
        service.process.send_signal(signal.SIGINT)
        code = service.process.wait(PATIENCE_S)
        with pytest.raises((OSError, http.client.HTTPException)):
            asked.result()
    assert code == 0
