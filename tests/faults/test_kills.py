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
from miniseg_edge.images import write_png
from miniseg_edge.phantoms import phantom
from tests.bundles import small_bundle
from tests.studies.series import write_series

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


def killed_at_each_step(*words: object) -> str:
    command = [sys.executable, "-m", "tests.faults.kill_steps", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_a_writer_that_is_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    steps = int(killed_at_each_step(tmp_path).split()[0])
    assert steps > 3 * len(small_bundle().contents)


@pytest.mark.slow
def test_slices_that_are_killed_at_any_step_go_on_as_if_nothing_had_been(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    for seed in (0, 1):
        write_png(tmp_path / "slices" / f"{seed}.png", phantom(seed, size=(64, 64)).image)
    shown = killed_at_each_step(demo_bundle_path, tmp_path / "slices", tmp_path, "--resume")
    assert int(shown.split()[0]) >= 16, "four files, each made, written, named and kept"


@pytest.mark.slow
def test_a_study_that_is_killed_at_any_step_has_whole_results_or_none(demo_bundle_path: Path, tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", 2)
    shown = killed_at_each_step(demo_bundle_path, series, tmp_path, "--overwrite")
    assert int(shown.split()[0]) >= 8


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
