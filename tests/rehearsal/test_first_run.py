"""`python -m tests.gpu_first_run`, rehearsed; and where there is no GPU at all."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.export.quantization.search import stability
from tests import gpu_first_run
from tests.conftest import has_gpu
from tests.gpu_first_run import STEPS, main
from tests.rehearsal.machine import Rehearsal

IN_PROCESSES = {"fork", "exits"}
"""Steps whose processes see the real machine, and not the rehearsed one."""


def archived(path: Path) -> tuple[dict[str, Any], list[str]]:
    with tarfile.open(path) as archive:
        facts = archive.extractfile("facts.json")
        assert facts is not None
        return json.load(facts), archive.getnames()


@pytest.mark.slow
def test_every_step_goes_through_and_its_answers_are_kept(
    tmp_path: Path, machine: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tuple(step for step in STEPS if step.__name__ not in IN_PROCESSES)
    monkeypatch.setattr(gpu_first_run, "STEPS", steps)
    monkeypatch.setattr(stability, "SUBSETS", 3)
    main(["--output", str(tmp_path / "a.tar.gz"), "--side", "64"])
    facts, names = archived(tmp_path / "a.tar.gz")
    ended = {step.__name__: facts[f"step {step.__name__}"]["ended"] for step in steps}
    assert set(ended.values()) == {"went through"}, ended
    assert facts["gpus"][0]["multiprocessors"] == 128
    assert facts["exact: the same in 8 threads"] is True
    assert "cannot open the engine" in facts["compatible without host code"]
    assert facts["end of a spoiled capture"].endswith("901") or "Invalidated" in facts["end of a spoiled capture"]
    assert {"inspected/fp16.json", "inspected/free.json", "inspected/free-context.json", "said/rebuild.txt"} <= {*names}


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
def test_without_a_gpu_and_without_pytest_every_step_is_tried(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; from tests.gpu_first_run import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--output", str(tmp_path / "a.tar.gz"), "--side", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1, done.stderr
    facts, names = archived(tmp_path / "a.tar.gz")
    assert all(f"step {step.__name__}" in facts for step in STEPS)
    assert "failed/machine.txt" in names
