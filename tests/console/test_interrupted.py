"""Ctrl-C in a terminal reaches a command and all processes that it has started: all end, and one line is written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.runtimes.archive.archives import of_series
from tests.studies.series import write_series

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="process groups of POSIX"),
]
START_S = 120


def interrupted_with_children(module: str, words: Sequence[object], *, after_s: float) -> tuple[int, str]:
    """A command's exit code and last lines if it is interrupted some seconds after it has a child."""
    call = f"import sys; from {module} import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", call, *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        started, command = time.monotonic(), psutil.Process(process.pid)
        while not (children := command.children(recursive=True)):
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() - started < START_S, "it has started no process"
            time.sleep(0.05)
        time.sleep(after_s)
        children = command.children(recursive=True) or children
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=START_S)
    gone, alive = psutil.wait_procs(children, timeout=START_S)
    assert gone
    assert not alive
    return process.returncode, said


@pytest.mark.parametrize("after_s", [0.0, 2.0], ids=["as it starts", "at work"])
def test_a_benchmark_is_interrupted_with_its_processes(after_s: float, bundle_path: Path, tmp_path: Path) -> None:
    words = ("run", bundle_path, "--output", tmp_path / "report", "--duration", "60", "--runtime", "native")
    code, said = interrupted_with_children("miniseg_edge.benchmarks.command", words, after_s=after_s)
    assert code == 130
    assert said.splitlines()[-1] == "interrupted; nothing half-written was left"
    assert "Traceback" not in said
    assert not (tmp_path / "report").exists()


def test_an_archive_is_interrupted_with_its_workers(demo_bundle_path: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_series(tmp_path / "archive" / str(number), 200, of_series(number))
    output = tmp_path / "results"
    words = (demo_bundle_path, tmp_path / "archive", "--output", output, "--distributed", "processes", "--workers", "2")
    code, said = interrupted_with_children("miniseg_edge.runtimes.segment_command", words, after_s=2.0)
    assert code == 130
    assert said.splitlines()[-1] == "interrupted; nothing half-written was left"
    assert "Traceback" not in said
