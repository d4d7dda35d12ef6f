"""Killed at any moment, with no chance to tidy up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from miniseg_edge.host.files import exchange
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from tests.bundles import small_bundle
from tests.runtimes.archive.archives import of_series
from tests.studies.series import write_series

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")

ROOT = Path(__file__).parents[2]


def test_two_folders_change_places_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "one", tmp_path / "two"):
        pytest.skip("this file system cannot")
    assert (tmp_path / "one" / "two").exists()
    assert (tmp_path / "two" / "one").exists()
    assert not exchange(tmp_path / "one", tmp_path / "absent")


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
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what processes share")
def test_a_driver_and_its_workers_that_are_killed_together_leave_no_semaphores(
    demo_bundle_path: Path, tmp_path: Path
) -> None:
    """No process is left that could remove named system objects."""
    for number in range(6):
        write_series(tmp_path / "in" / f"{number}", 20, of_series(number))
    command = [str(Path(sys.executable).with_name("miniseg-segment")), str(demo_bundle_path), str(tmp_path / "in")]
    command += ["--output", str(tmp_path / "out"), "--distributed", "processes", "--workers", "2"]
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
        try:
            while not list(tmp_path.glob("out/series/*/row.json")) and driver.poll() is None:
                time.sleep(0.01)
            assert driver.poll() is None, (tmp_path / "log").read_text()
            everyone = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
            mapped = {found.path for one in everyone for found in one.memory_maps()}
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
    assert len(everyone) > 2
    psutil.wait_procs(everyone)
    assert [path for path in mapped if path.startswith("/dev/shm") and Path(path).exists()] == []
