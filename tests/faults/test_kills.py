"""Killed at any moment, with no chance to tidy up."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from miniseg_edge.bundle import open_bundle
from miniseg_edge.files import exchange

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")

ROOT = Path(__file__).parents[2]
KILLS = 60


def test_two_folders_change_places_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "one", tmp_path / "two"):
        pytest.skip("this file system cannot")
    assert (tmp_path / "one" / "two").exists()
    assert (tmp_path / "two" / "one").exists()
    assert not exchange(tmp_path / "one", tmp_path / "absent")


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.kill_writers", str(tmp_path), str(KILLS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    small, other, files = map(int, done.stdout.split())
    assert small + other == files == KILLS
    assert min(small, other) > 0, "no kill came between the two, and so nothing was shown"


@pytest.mark.slow
def test_an_export_that_is_killed_leaves_the_old_bundle(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copy(tiny_checkpoint_path, tmp_path)
    export = [str(Path(sys.executable).with_name("miniseg-export")), checkpoint, "--target", "onnx", "--overwrite"]
    export += ["--input-size", "32", "32", "--output", str(tmp_path / "out")]
    subprocess.run(export, check=True, capture_output=True)
    start = time.monotonic()
    subprocess.run(export, check=True, capture_output=True)
    whole_s, chance = time.monotonic() - start, random.Random(3)
    for _ in range(4):
        process = subprocess.Popen(export, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 1) * whole_s)
        process.kill()
        process.wait()
        assert open_bundle(tmp_path / "out").contents, "whole, every hash right: the old one or the new one"
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {"out", "tiny.pth"}
