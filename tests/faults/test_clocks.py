"""Wall clocks jump: by summer time, by a time server, by hand. Nothing here may wait, end or measure by one."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from miniseg_edge.training.checkpoint import checkpoint_from_file
from tests.studies.series import write_series

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    p for folder in ("miniseg_edge", "export", "runtimes", "benchmarks") for p in (ROOT / folder).rglob("*.py")
)
WALL = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime", "datetime.now"}
WALL |= {"datetime.today", "datetime.utcnow", "date.today", "datetime.datetime.now", "datetime.date.today"}
MODULES = {"time", "datetime"}


def wall_clocks(tree: ast.AST) -> Iterator[str]:
    """Every look at a wall clock but one that only says when a record was created."""
    stamps = {
        id(node)
        for keyword in ast.walk(tree)
        if isinstance(keyword, ast.keyword) and keyword.arg == "created"
        for node in ast.walk(keyword.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in stamps and ast.unparse(node) in WALL:
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Attribute) and node.attr.startswith(("st_mtime", "st_ctime")):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield f"line {node.lineno}: from time import"


OF_FILES = ROOT / "runtimes" / "archive" / "source.py"
"""Where times of files save reading them: a clock that was wrong costs a comparison of their bytes."""


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path != OF_FILES], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_wall_clock_only_says_when_a_record_was_created(path: Path) -> None:
    assert list(wall_clocks(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_a_look_at_a_wall_clock_would_be_seen() -> None:
    said = (
        "from time import time\nstart = time.time()\nRecord(created=datetime.now(UTC).isoformat())\ndatetime.now(UTC)"
    )
    assert [found.split(": ")[1] for found in wall_clocks(ast.parse(said))] == [
        "from time import",
        "time.time",
        "datetime.now",
    ]


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the wall clock of a process, vendors' code included, jumps by days at every look."""
    return preloading("wall_clock.c", tmp_path_factory.mktemp("clock"))


def preloading(name: str, folder: Path) -> dict[str, str]:
    """An environment in which a library of ours comes before the system's; skips the test where that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    library, source = folder / "clock.so", Path(__file__).with_name(name)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


def run(environment: dict[str, str], *command: object) -> str:
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment for the wall clock of `FAR_CLOCK_S`, seconds since 1970."""
    return preloading("wall_clock.c", tmp_path_factory.mktemp("far"))


YEARS = {2038: 2**31 - 2, 2106: 2**32 - 2, 2255: 9_000_000_000}
"""The first two pass the end of 32 bits within seconds. From 2262 on, Python itself does not start."""


@pytest.mark.slow
@pytest.mark.parametrize("year", YEARS)
def test_late_years_are_years_like_any(year: int, far: dict[str, str], demo_bundle_path: Path, tmp_path: Path) -> None:
    """A study in every format, an archive in other processes, which resumes, and a record."""
    environment = {**far, "FAR_CLOCK_S": str(YEARS[year])}
    assert int(float(run(environment, "-c", "import time; print(time.time())"))) >= YEARS[year]
    study = write_series(tmp_path / "study", 2)
    for path in study.iterdir():
        os.utime(path, (YEARS[year] - 100, YEARS[year] - 100))
    segment, verify = (Path(sys.executable).with_name(f"miniseg-{name}") for name in ("segment", "verify"))
    formats = [word for name in ("dicom-seg", "nifti", "png", "json") for word in ("--format", name)]
    run(environment, segment, demo_bundle_path, study, "--output", tmp_path / "out", *formats)
    archive = (demo_bundle_path, study, "--output", tmp_path / "rows", "--distributed", "processes", "--workers", "1")
    for _ in range(2):
        run(environment, segment, *archive)
    run(environment, verify, demo_bundle_path, "--record", tmp_path / "record")
    created = json.loads((tmp_path / "record" / "verification.json").read_text())["created"]
    assert abs(int(created[:4]) - year) <= 1


@pytest.mark.slow
def test_deadlines_are_kept(jumping: dict[str, str], demo_bundle_path: Path) -> None:
    run(jumping, "-m", "tests.faults.jumping_clock", demo_bundle_path)


@pytest.mark.slow
def test_export_and_training_end_as_ever(jumping: dict[str, str], tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    export = ("--target", "onnx", "--input-size", "32", "32", "--output", tmp_path / "bundle")
    run(jumping, Path(sys.executable).with_name("miniseg-export"), tiny_checkpoint_path, *export)
    assert open_bundle(tmp_path / "bundle").contents
    for seed in range(6):
        drawn = phantom(seed, (48, 48))
        write_png(tmp_path / "images" / f"p{seed}.png", drawn.image)
        write_png(tmp_path / "masks" / f"p{seed}.png", drawn.mask * 255)
    training = ("--images", tmp_path / "images", "--masks", tmp_path / "masks", "--size", 32, "--scales", 1)
    more = ("--epochs", 2, "--batch-size", 4, "--device", "cpu", "--output")
    checkpoints, start = [], time.monotonic()
    for name, environment in (("jumped", jumping), ("still", dict(os.environ))):
        run(environment, "-m", "miniseg_edge.training.command", *training, *more, tmp_path / name)
        checkpoints.append(checkpoint_from_file(tmp_path / name / "checkpoint.pth"))
    jumped, still = checkpoints
    assert all(torch.equal(weights, still.state[key]) for key, weights in jumped.state.items())
    assert jumped.training is not None
    assert 0 < jumped.training.duration_s < time.monotonic() - start


@pytest.mark.slow
def test_a_soak_measures_what_passed(jumping: dict[str, str], demo_bundle_path: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    words = ("--runtime", "onnxruntime", "--hours", 1e-4, "--output", tmp_path / "soak", "--threads", 1)
    script = (
        "import sys; from miniseg_edge.benchmarks.soak import soak; soak.MIN_TURNS = 4; "
        "from miniseg_edge.benchmarks.command import main; main(sys.argv[1:])"  # too short to say that nothing grows
    )
    run(jumping, "-c", script, "soak", demo_bundle_path, *words)
    taken_s = time.monotonic() - start
    report = json.loads((tmp_path / "soak" / "soak.json").read_text())
    (result,) = report["results"]
    elapsed_s = [sample["elapsed_s"] for sample in result["samples"]]
    assert result["wrong"] == 0
    assert elapsed_s == sorted(elapsed_s)
    assert 0 < elapsed_s[0] < elapsed_s[-1] < taken_s
    assert all(0 < sample["latency_ms"] < 1e3 * taken_s for sample in result["samples"])
