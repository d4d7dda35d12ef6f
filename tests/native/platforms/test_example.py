"""segment_native.c as a program for Windows and for ARM: the package's mask, any path, the same refusals."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.phantoms import phantom
from tests.examples import EXAMPLES, SIDE, model, write_pgm
from tests.native.platforms.hosts import Built, Host

pytestmark = pytest.mark.slow

WINDOWS, ARM = "windows-x86_64", "linux-aarch64"


@pytest.fixture(scope="module", params=[WINDOWS, ARM])
def program(request: pytest.FixtureRequest, built: Callable[[str], Built]) -> Host:
    extra = ("-municode",) if request.param == WINDOWS else ()
    return built(request.param).host(EXAMPLES / "segment_native.c", *extra)


def seen(host: Host, path: Path) -> str:
    """A path as the program's system has it: wine shows this machine's root as Z:."""
    return "Z:" + str(path).replace("/", "\\") if host.path.suffix == ".exe" else str(path)


@pytest.mark.parametrize("name", ["plain", "Lunge 肺 ü", "CON.png", "x" * 100 + "/" + "y" * 100 + "/" + "z" * 100])
def test_any_path(program: Host, name: str, demo_bundle_path: Path, tmp_path: Path) -> None:
    """Of 300 characters and more, too."""
    plan, digest = model(demo_bundle_path, "native")
    folder = tmp_path / name
    folder.mkdir(parents=True)
    slice_ = phantom(1, size=(SIDE, SIDE)).image
    files = [Path(shutil.copy(plan, folder / "plan")), write_pgm(folder / "slice.pgm", slice_), folder / "mask.pgm"]
    at = [seen(program, path) for path in files]
    done = program.run(at[0], digest, at[1], at[2])
    assert (done.returncode, done.stderr) == (0, "")
    with miniseg_edge.load(demo_bundle_path, "native") as segmenter:
        expected = segmenter.segment(slice_).mask * 255
    assert files[2].read_bytes() == b"P5\n64 64\n255\n" + expected.tobytes()


def test_refusals(program: Host, demo_bundle_path: Path, tmp_path: Path) -> None:
    plan, digest = model(demo_bundle_path, "native")
    pgm = seen(program, write_pgm(tmp_path / "slice.pgm", np.zeros((SIDE, SIDE), np.uint8)))
    none, out = seen(program, tmp_path / "none"), seen(program, tmp_path / "absent" / "mask")
    at = seen(program, Path(plan))
    for words, code in (
        ((at, digest[::-1], pgm, out), "INTEGRITY: "),
        ((none, digest, pgm, out), "BUNDLE: "),
        ((at, digest, none, out), "UNSUPPORTED_FORMAT: "),
        ((at, digest, pgm, out), "OUTPUT: "),
    ):
        done = program.run(*words)
        assert done.returncode == 1
        assert done.stderr.startswith(code)
    assert program.run().returncode == 2
