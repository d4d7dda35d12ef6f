"""The corpus again, and a short run of each fuzzer; the long one is `python -m tests.fuzz TARGET --runs N`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.dependencies import installed
from tests.fuzz.__main__ import CORPUS, NAMES
from tests.fuzz.targets import TARGETS, one_input

ROOT = Path(__file__).parents[2]
RUNS = {"checkpoint": 300, "dicom": 300, "nifti": 500}
"""Fewer where an execution writes and reads files with torch, pydicom or nibabel."""


def test_every_target_has_a_name_and_a_corpus() -> None:
    assert tuple(TARGETS) == NAMES
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_kept_gives_a_result_or_an_error_of_ours(path: Path) -> None:
    one_input(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(not installed("atheris"), reason="needs atheris, which has wheels for Linux alone")
@pytest.mark.parametrize("name", NAMES)
def test_a_short_run_finds_nothing(name: str, tmp_path: Path) -> None:
    runs = RUNS.get(name, 1000)
    # A child inherits its parent's peak of memory, and the fuzzer takes it for its own: so a small process in between.
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    fuzz = ["-m", "tests.fuzz", name, "--runs", str(runs), "--findings", str(tmp_path)]
    command = [sys.executable, "-c", between, *fuzz]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    found = [path.name for path in tmp_path.iterdir()]
    assert (done.returncode, found) == (0, []), done.stderr[-4000:]
    executed = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    assert executed is not None
    assert int(executed[1]) >= runs
