"""No more threads: an error with a code, nothing is lost, and the work resumes when threads are available again."""

import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from tests.privileges import limits_bind

ROOT = Path(__file__).parents[2]


def run(*words: object) -> str:
    command = limits_bind([sys.executable, "-m", "tests.faults.few_threads", *map(str, words)])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["native", "openvino", "onnxruntime"])
def test_an_embedded_runtime_refuses_what_needs_a_thread_and_goes_on(demo_bundle_path: Path, runtime: str) -> None:
    run(demo_bundle_path, runtime)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["native", "openvino", "onnxruntime"])
def test_a_command_says_that_threads_are_short(demo_bundle_path: Path, tmp_path: Path, runtime: str) -> None:
    write_png(tmp_path / "slices" / "one.png", phantom(1, size=(64, 64)).image)
    assert "THREADS: the host allows no more threads" in run(
        demo_bundle_path, runtime, tmp_path / "slices", tmp_path / "out"
    )
