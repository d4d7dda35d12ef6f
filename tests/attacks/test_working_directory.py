"""Every command from a current folder full of traps: none is run, none is opened.

Fast: `tests/host/test_children.py`. Where a command takes long, its own test runs it in such a folder: an archive by
Ray in `tests/runtimes/archive/test_executors.py`, `miniseg-bench` with peers in `tests/benchmarks/test_command.py`.

Processes that are measured are all started by one function, which `tests/test_architecture.py` holds:
`miniseg-bench` with peers and `bench a soak` stand for the others that use it. The demo runs commands that are here.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.export.quantization.search.plan import PLAN_SCHEMA_VERSION, QuantizationPlan
from miniseg_edge.host.dependencies import installed
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from tests.attacks.hostile_folder import HostileFolder, can_watch, hostile_folder
from tests.studies.series import write_series

pytestmark = pytest.mark.slow

LIMIT_S = 120.0
ANY_MASK = ("--max-real-flips", "100000", "--min-dice-mean", "0", "--min-dice-worst", "0")
SMALL = ("--input-size", "64", "64", *ANY_MASK)
TRAINING = (
    "--images",
    "IN/slices",
    "--masks",
    "IN/masks",
    "--epochs",
    "1",
    "--size",
    "64",
    "--scales",
    "1",
    "--batch-size",
    "2",
)

COMMANDS = {
    "export INT8": [
        *("miniseg-export", "IN/tiny.pth", *SMALL, "--target", "onnx", "--target", "openvino", "--precision", "fp32"),
        *("--precision", "int8", "--calibration", "IN/calibration", "--quantization", "IN/plan.json"),
        *("--validation", "IN/slices", "--labels", "IN/masks"),
    ],
    "export for servers": ["miniseg-export", "IN/tiny.pth", *SMALL, "--target", "triton", "--target", "ovms"],
    "export an engine": ["miniseg-export", "IN/tiny.pth", *SMALL, "--target", "trt-rtx"],
    "segment slices": ["miniseg-segment", "IN/bundle", "IN/slices"],
    "segment a study": [
        *("miniseg-segment", "IN/bundle", "IN/archive/series"),
        *("--format", "dicom-seg", "--format", "nifti", "--format", "png", "--format", "json"),
    ],
    "an archive, serially": ["miniseg-segment", "IN/bundle", "IN/archive", "--distributed", "in-process"],
    "an archive by processes": ["miniseg-segment", "IN/bundle", "IN/archive", "--distributed", "processes"],
    "verify": ["miniseg-verify", "IN/bundle", "--record"],
    "bench a soak": ["miniseg-bench", "soak", "IN/bundle", "--hours", "0.001", "--runtime", "openvino"],
    "bench a service": ["miniseg-bench", "serve", "IN/bundle", "--seconds", "1", "--runtime", "openvino"],
    "train": ["miniseg-train", *TRAINING, "--on-all"],
    "evaluate": ["miniseg-evaluate", "IN/bundle", "--images", "IN/slices", "--masks", "IN/masks"],
}
NOISY = {"bench a soak": {0, 1}}
"""So short a soak may see something grow; it is not what is asked here."""


@dataclass(frozen=True)
class Attacked:
    """A hostile folder, and elsewhere what commands are given."""

    folder: HostileFolder
    inputs: Path

    def words(self, *words: str) -> list[str]:
        """The words of a command, with absolute paths."""
        program = Path(sys.executable).with_name(words[0])
        return [str(program), *(word.replace("IN/", f"{self.inputs}/", 1) for word in words[1:])]


@pytest.fixture(scope="module")
def attacked(bundle_path: Path, tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    inputs = tmp_path_factory.mktemp("inputs")
    (inputs / "bundle").symlink_to(bundle_path)
    (inputs / "tiny.pth").write_bytes(tiny_checkpoint_path.read_bytes())
    for seed in (1, 2, 3):
        drawn = phantom(seed, size=(64, 64))
        write_png(inputs / "slices" / f"{seed}.png", drawn.image)
        write_png(inputs / "masks" / f"{seed}.png", drawn.mask * 255)
        write_png(inputs / "calibration" / f"{seed}.png", phantom(300 + seed, size=(64, 64)).image)
    plan = QuantizationPlan(PLAN_SCHEMA_VERSION, ("fuse-2",), 0, "by hand", "", ())
    (inputs / "plan.json").write_text(json_from_record(plan))
    write_series(inputs / "archive" / "series", 3)
    return Attacked(hostile_folder(tmp_path_factory.mktemp("attack")), inputs)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_anything_from_the_current_folder(attacked: Attacked, tmp_path: Path, name: str) -> None:
    if name == "export an engine" and not installed("tensorrt_rtx_bindings"):
        pytest.skip("needs TensorRT for RTX")
    output = (tmp_path / "out",) if name == "verify" else ("--output", tmp_path / "out")
    done = attacked.folder.run(*attacked.words(*COMMANDS[name]), *map(str, output))
    assert done.returncode in NOISY.get(name, {0}), done.stderr
    assert (tmp_path / "out").exists()
    attacked.folder.check()


def test_the_service_does_not_either(attacked: Attacked, tmp_path: Path) -> None:
    port = tmp_path / "port"
    words = attacked.words("miniseg-serve", "IN/bundle", "--port", "0", "--port-file", str(port))
    with subprocess.Popen(attacked.folder.watched(*words), cwd=attacked.folder.path) as process:
        limit = time.monotonic() + LIMIT_S
        while not port.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        served = psutil.Process(process.pid)
        for one in served.children() if can_watch() else [served]:
            one.terminate()
    assert process.returncode == 0
    attacked.folder.check()


def test_the_traps_work(attacked: Attacked) -> None:
    """What the others are held against: Python as people start it takes the trap."""
    attacked.folder.run(sys.executable, "-c", "import numpy")
    assert attacked.folder.taken == ["numpy"]
    assert attacked.folder.opened or not can_watch()
