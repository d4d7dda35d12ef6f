"""A good guest in another process: it leaves everything unchanged, and opens no connection."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.studies.series import write_series

ROOT = Path(__file__).parents[1]
WORKS = ("native", "openvino", "onnxruntime", "study")
OWN_MARK = "environment: GDCM_RESOURCES_PATH="
"""What gdcm, of the extra `dicom`, leaves when it is imported: where its tables lie."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the process's state from /proc")


@dataclass(frozen=True)
class Visit:
    """A host's report, and the folders that it could have been tempted to write into."""

    report: dict[str, Any]
    home: Path
    output: Path


def visited(work: str, bundle: Path, folder: Path, *around: str) -> Visit:
    """Runs a host whose environment is an empty home; anything that it prints but its report fails."""
    home, output = folder / "home", folder / "output"
    home.mkdir()
    environment = {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    study = write_series(folder / "series", 6)
    command = [*around, sys.executable, "-m", "tests.guest", work, str(bundle), str(output), str(study)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return Visit(json.loads(done.stdout), home, output)


@pytest.fixture(scope="module", params=WORKS)
def visit(request: pytest.FixtureRequest, demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    return visited(request.param, demo_bundle_path, tmp_path_factory.mktemp("visit"))


def test_the_process_is_as_it_was(visit: Visit) -> None:
    left = [f"{name}: {one}" for name, changes in visit.report["changed"].items() for one in changes]
    assert [one for one in left if not one.startswith(OWN_MARK)] == []


def test_it_writes_where_it_was_told_to_and_starts_and_sends_nothing(visit: Visit) -> None:
    acts = visit.report["acts"]
    assert [act for act in acts if str(visit.output) not in act] == []
    assert list(visit.home.rglob("*")) == []
    assert visit.output.exists() == bool(acts)


def test_more_slices_take_no_more_threads(visit: Visit) -> None:
    few, many = (len(visit.report["threads"][name]) for name in ("few", "many"))
    cores = len(os.sched_getaffinity(0))
    assert many <= few + 2 * cores  # vendors keep a request's threads ready
    assert many - len(visit.report["alone"]) <= 8 * cores + 4


@pytest.mark.parametrize("work", ["openvino", "onnxruntime"])
def test_its_threads_stay_on_the_cores_that_the_host_may_use(demo_bundle_path: Path, tmp_path: Path, work: str) -> None:
    if shutil.which("taskset") is None:
        pytest.skip("needs taskset of util-linux")
    core = max(os.sched_getaffinity(0))
    told = visited(work, demo_bundle_path, tmp_path, "taskset", "-c", str(core)).report
    assert set(told["threads"]["many"]) == {str(core)}
    assert len(told["threads"]["many"]) - len(told["alone"]) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_the_system_sees_no_network_and_no_other_file(demo_bundle_path: Path, tmp_path: Path, work: str) -> None:
    """What vendors' own libraries do is hidden from Python's audit, not from the system."""
    log = tmp_path / "calls"
    trace = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=socket,connect,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2",
    ]
    if shutil.which("strace") is None or subprocess.run([*trace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs strace, and a system that lets it trace")
    visit = visited(work, demo_bundle_path, tmp_path, *trace, "-o", str(log))
    calls = log.read_text().splitlines()
    assert any("openat" in call for call in calls)
    assert [call for call in calls if re.search(r"\b(socket|connect)\(", call)] == []
    writes = [call for call in calls if re.search(r"\b(creat|mkdir|mkdirat|rename\w*)\(|O_(WRONLY|RDWR|CREAT)", call)]
    allowed = (str(visit.output), '"/dev/null"', "/dev/shm")
    assert [call for call in writes if not any(path in call for path in allowed)] == []
