"""Whatever runs the workers, and whatever kills them: the same rows and results, each series once."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.errors import IntegrityError, WorkerDiedError
from miniseg_edge.runtimes.archive import Crew, segment_archive
from miniseg_edge.runtimes.archive.engines.executors import processes
from miniseg_edge.runtimes.archive.engines.on_ray import MOST_AT_ONCE, messages_at_once, on_ray
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, ray_session
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.archive.work import Work
from tests.attacks.hostile_folder import hostile_folder
from tests.runtimes.archive.archives import SERIES, of_series, results_in, write_archive
from tests.runtimes.archive.found import find_series
from tests.studies.series import write_series

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
MANY = 24
EXECUTORS: dict[str, Callable[..., Iterator[Any]]] = {
    "processes": processes,
    "ray": partial(on_ray, setting=RaySetting()),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "root")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many series that there is time to kill between them."""
    root = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        write_series(root / f"{number:02d}", 2 + number % 3, of_series(number))
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request: pytest.FixtureRequest, home: Path) -> Iterator[str]:
    """Ray is started once for all tests, as by a host that has one; the commands below start it themselves."""
    if request.param == "processes":
        yield request.param
        return
    before, handler = environment(), signal.getsignal(signal.SIGTERM)
    with ray_session(RaySetting(), [Crew(2)]):
        yield request.param
    assert environment() == before
    assert signal.getsignal(signal.SIGTERM) == handler
    assert list(home.rglob("*")) == []


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def test_results_are_those_of_one_process_bit_for_bit(
    executor: str, archive: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    segment_archive(demo_bundle_path, archive, tmp_path / "in-process", executor="in-process")
    report = segment_archive(demo_bundle_path, archive, tmp_path / "out", executor=executor, workers=2)
    rows = rows_in(tmp_path / "out")
    assert len(rows) == report.series == SERIES
    assert {row.result for row in rows} == {row.result for row in rows_in(tmp_path / "in-process")}
    assert results_in(tmp_path / "out") == results_in(tmp_path / "in-process")
    assert str(os.getpid()) not in {row.worker.rpartition("-")[2] for row in rows}


def test_a_zip_is_read_by_every_worker(executor: str, many: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as zip_file:
        for file in many.rglob("*"):
            zip_file.write(file, file.relative_to(many))
    url = f"zip://::file://{tmp_path / 'many.zip'}"
    report = segment_archive(demo_bundle_path, url, tmp_path / "out", executor=executor, workers=2)
    assert report.done == MANY
    assert not (tmp_path / "out" / ".scratch").exists()


def test_crews_of_two_kinds_share_the_work(executor: str, many: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    """As CPU and GPU workers do: who is free takes the next series."""
    crews = Crew(1, "openvino", "cpu"), Crew(1, "onnxruntime", "cpu")
    segment_archive(demo_bundle_path, many, tmp_path / "out", executor=executor, crews=crews)
    rows = rows_in(tmp_path / "out")
    assert len({row.key for row in rows}) == len(rows) == MANY
    assert {row.runtime for row in rows} <= {"openvino", "onnxruntime"}
    assert len({(row.runtime, row.worker) for row in rows}) == len({row.runtime for row in rows})


def test_workers_that_are_killed_lose_nothing(
    executor: str, many: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """The worker of each of the first rows is killed as soon as its row is there, most often at its next series.

    On Ray it has several series at a time, of which some are done.
    """
    killed: list[str] = []

    def kill(what: str, done: int, of: int) -> None:
        if what != "segmenting" or len(killed) == 3:
            return
        alive = [row["worker"] for row in committed(tmp_path / "out") if row["worker"] not in killed]
        if alive:
            killed.append(alive[0])
            os.kill(int(alive[0].rpartition("-")[2]), signal.SIGKILL)

    setting = RaySetting(at_once=3)
    report = segment_archive(
        demo_bundle_path, many, tmp_path / "out", executor=executor, workers=2, ray=setting, progress=kill
    )
    rows = rows_in(tmp_path / "out")
    assert len({row.key for row in rows}) == len(rows) == report.done == MANY
    assert len(killed) == 3
    assert {row.worker for row in rows} - set(killed), "others took their places"


def test_many_actors_get_several_series_at_a_time_and_single_ones_in_the_end() -> None:
    assert {messages_at_once(left, 2) for left in range(10**4)} == {1}
    assert messages_at_once(10**6, 200) == 4
    assert messages_at_once(10**6, 10**4) == MOST_AT_ONCE
    most = [messages_at_once(left, 1000) for left in range(10**5)]
    assert most == sorted(most)
    assert most[4000 * 5] == 5
    assert max(most[:8000]) == min(most) == 1


def test_a_worker_without_the_bundle_stops_the_run(
    executor: str, many: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """Unlike a bad series; and the error is the worker's own."""
    found = find_series(many)
    work = Work(
        bundle=str(demo_bundle_path),
        trust=None,
        bundle_digest="0" * 64,
        source=str(many),
        output=str(tmp_path / "out"),
        scratch=None,
        formats=("json",),
        precision="auto",
        rescale=None,
        threads=1,
    )
    with pytest.raises(IntegrityError, match="differs on this machine"):
        list(EXECUTORS[executor](work, [Crew(1, "openvino", "cpu")], found.series))


def test_a_worker_that_does_not_start_stops_the_run(
    many: Path, demo_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its last words, rather than starting one after the other."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "numpy.py").write_text("raise ImportError('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    with pytest.raises(WorkerDiedError, match=r"cannot be started.*broken on purpose"):
        segment_archive(demo_bundle_path, many, tmp_path / "out", executor="processes", workers=2)


@pytest.mark.parametrize("executor_of_command", EXECUTORS)
def test_a_run_that_is_killed_goes_on(
    executor_of_command: str, many: Path, home: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """The driver, as soon as a few more series are committed, twice with processes; the last run does the rest.

    That one is started in a current folder full of traps, of which it takes none.
    """
    folder = hostile_folder(tmp_path)
    output = tmp_path / "out"
    command = [str(Path(sys.executable).with_name("miniseg-segment")), str(demo_bundle_path), str(many)]
    command += ["--output", str(output), "--distributed", executor_of_command, "--workers", "2"]
    seen: dict[str, str] = {}
    for wanted in (2, 6) if executor_of_command == "processes" else (4,):
        with (tmp_path / "log").open("w") as log:
            driver = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            while len(committed(output)) < wanted and driver.poll() is None:
                time.sleep(0.005)
            assert driver.poll() is None, (tmp_path / "log").read_text()
            driver.kill()
            driver.wait()
        assert seen.items() <= made_in(output).items(), "a series was done twice"
        seen = made_in(output)
    assert len(seen) < MANY, "there is something left to do"
    done = folder.run(*command)
    assert done.returncode == 0, done.stderr
    folder.check()
    assert seen.items() <= made_in(output).items()
    rows = rows_in(output)
    assert len({row.key for row in rows}) == len(rows) == MANY
    assert {row.status for row in rows} == {"done"}
    assert list(home.rglob("*")) == []


def made_in(output: Path) -> dict[str, str]:
    """When each committed series was done."""
    return {row["key"]: row["created"] for row in committed(output)}


def committed(output: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(output.glob("series/*/row.json"))]
