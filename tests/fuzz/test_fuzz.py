"""The corpus again, and a short run of each fuzzer; the long ones are `python -m tests.fuzz TARGET... --runs N`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.host.dependencies import installed
from tests.fuzz.__main__ import CORPUS, NAMES
from tests.fuzz.targets import TARGETS, one_input

ROOT = Path(__file__).parents[2]
RUNS = 400
"""Executions of each fuzzer."""


def test_every_target_has_a_name_and_a_corpus() -> None:
    assert tuple(TARGETS) == NAMES
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_kept_gives_a_result_or_an_error_of_ours(path: Path) -> None:
    one_input(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(not installed("atheris"), reason="needs atheris, which has wheels for Linux alone")
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    # A child inherits its parent's peak of memory, and the fuzzer takes it for its own: so a small process in between.
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    fuzz = ["-m", "tests.fuzz", *NAMES, "--runs", str(RUNS), "--findings", str(tmp_path)]
    command = [sys.executable, "-c", between, *fuzz]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    found = [path.name for path in tmp_path.iterdir()]
    assert (done.returncode, found) == (0, []), done.stderr[-4000:]
    executed = [int(count) for count in re.findall(r"stat::number_of_executed_units: (\d+)", done.stderr)]
    assert len(executed) == len(NAMES)
    assert min(executed) >= RUNS
