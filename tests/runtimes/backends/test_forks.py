"""A Segmenter and the children of its process, in hosts of their own: see `tests.forked`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.errors import ForkedError
from miniseg_edge.runtimes.backends import forks

ROOT = Path(__file__).parents[3]
LIMIT_S = 180.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")

on_every_runtime = pytest.mark.parametrize(
    "runtime", ["native", "openvino", "onnxruntime", pytest.param("torch", marks=pytest.mark.slow)]
)


def hosted(runtime: str, bundle: Path, start: str, task: str, *at_work: str) -> dict[str, Any]:
    """What a host and its child say; a hang is an error."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.forked", runtime, str(bundle), start, task, *at_work]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["status"] == 0, f"the child ended with {found['status']}"
    assert found["parent"] == found["mask"]
    assert found["sent"] == "USAGE"
    return found


@on_every_runtime
@pytest.mark.parametrize("at_work", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_a_fork_inherits_is_refused_and_freed_by_nobody(bundle_path: Path, runtime: str, *, at_work: bool) -> None:
    told = hosted(runtime, bundle_path, "os.fork", "inherited", *["at work"] * at_work)["told"]
    assert told.pop("a job that was done") == "True"
    assert len(told) == (19 if at_work else 15)
    assert set(told.values()) == {"FORKED"}


@pytest.mark.slow
@on_every_runtime
def test_a_child_that_does_nothing_ends(bundle_path: Path, runtime: str) -> None:
    hosted(runtime, bundle_path, "os.fork", "nothing", "at work")


@on_every_runtime
@pytest.mark.parametrize(
    "start", ["os.fork", *(pytest.param(start, marks=pytest.mark.slow) for start in ("fork", "spawn", "forkserver"))]
)
def test_a_child_loads_its_own(bundle_path: Path, runtime: str, start: str) -> None:
    found = hosted(runtime, bundle_path, start, "own")
    if runtime == "torch" and start in ("os.fork", "fork"):  # its OpenMP does not survive a fork
        assert found["told"] == {"load": "FORKED"}
    else:
        assert found["told"] == {"load": "works", "masks": found["mask"]}


@pytest.mark.slow
@on_every_runtime
def test_a_child_of_a_process_at_work_loads_its_own_or_is_told_why_not(bundle_path: Path, runtime: str) -> None:
    assert hosted(runtime, bundle_path, "os.fork", "own", "at work")["told"]["load"] in ("works", "FORKED")


may_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@may_fork
def test_a_fork_during_a_call_is_known_in_the_child_alone() -> None:
    with forks.in_vendor():
        assert in_child(forks.check_fork) == "FORKED"
        forks.check_fork()
    assert in_child(forks.check_fork) == "none"


@may_fork
def test_what_works_on_one_side_of_a_fork_alone_is_refused_on_the_other() -> None:
    def claim() -> None:
        forks.claim("a library of this test")

    assert in_child(claim) == "none"
    claim()
    claim()
    assert in_child(claim) == "FORKED"


def in_child(work: Any) -> str:
    """The code of what `work` raises in a fork of this process."""
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        try:
            work()
            os.write(theirs, b"none")
        except ForkedError as error:
            os.write(theirs, error.code.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        return pipe.read()


@pytest.mark.slow
def test_torch_that_the_host_used_by_itself_is_refused_in_its_child(bundle_path: Path) -> None:
    host = f"""
import os, sys, torch, miniseg_edge
torch.nn.functional.conv2d(torch.ones(1, 64, 96, 96), torch.ones(64, 64, 3, 3))
if (child := os.fork()) == 0:
    try:
        miniseg_edge.load({str(bundle_path)!r}, "torch").segment(__import__("numpy").zeros((64, 64), "uint8"))
    except miniseg_edge.MiniSegError as error:
        print(error.code, flush=True)
    sys.exit(0)
os.waitpid(child, 0)
"""
    command = [sys.executable, "-W", "ignore", "-c", host]
    assert subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True).stdout == b"FORKED\n"
