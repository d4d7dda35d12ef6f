"""An app frozen by PyInstaller without flags: it finds runtimes, library and versions, and draws the same masks."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.phantoms import phantom
from tests.conftest import made_once
from tests.freezing.environment import core_environment, has

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has("pyinstaller"), reason="needs PyInstaller"),
    pytest.mark.skipif(sys.platform != "linux", reason="was tried on Linux alone"),
]

MAX_BYTES = 320 * 2**20


@dataclass(frozen=True)
class Told:
    """What the app says, and the masks that it draws."""

    ran: list[str]
    versions: dict[str, str]
    obstacles: dict[str, str | None]
    children: str
    masks: dict[str, np.ndarray]


def frozen(folder: Path) -> None:
    """One folder, moved after it was built."""
    folder.mkdir()
    python = core_environment(folder / "environment")
    # Where it lies now, PyInstaller would take the checkout for the folder of its modules.
    app = Path(shutil.copy(Path(__file__).with_name("app.py"), folder))
    words = ["--noconfirm", "--log-level", "ERROR", "--distpath", str(folder / "dist"), "--specpath", str(folder)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYINSTALLER_CONFIG_DIR": str(folder / "cache")}
    subprocess.run(
        [str(python), "-m", "PyInstaller", *words, "--workpath", str(folder / "build"), str(app)],
        env=environment, cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    (folder / "dist" / "app").rename(folder / "bei Müller")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "frozen", frozen) / "bei Müller"


@pytest.fixture
def slices() -> dict[str, np.ndarray]:
    found = {str(seed): phantom(seed, size=(64, 64)).image for seed in range(4)}
    return {**found, "wide": phantom(5, size=(50, 90)).image}


def run(app: Path, bundle: Path, slices: dict[str, np.ndarray], folder: Path) -> Told:
    """Without any environment, somewhere else."""
    np.savez(folder / "slices.npz", **slices)  # type: ignore[arg-type]
    words = [str(app / "app"), str(bundle), "slices.npz", "masks.npz"]
    done = subprocess.run(words, env={}, cwd=folder, check=True, capture_output=True, text=True)
    return Told(**json.loads(done.stdout), masks=dict(np.load(folder / "masks.npz")))


def test_it_draws_the_masks_of_the_library(
    app: Path, demo_bundle_path: Path, slices: dict[str, np.ndarray], tmp_path: Path
) -> None:
    told = run(app, demo_bundle_path, slices, tmp_path)
    assert told.ran == ["native"]
    with miniseg_edge.load(demo_bundle_path, "native") as segmenter:
        for name, slice_ in slices.items():
            np.testing.assert_array_equal(told.masks[name], segmenter.segment(slice_).mask)
            assert 0 < told.masks[name].mean() < 1


def test_it_knows_its_runtimes_and_versions(
    app: Path, demo_bundle_path: Path, slices: dict[str, np.ndarray], tmp_path: Path
) -> None:
    told = run(app, demo_bundle_path, slices, tmp_path)
    assert told.versions["miniseg-edge"] == miniseg_edge.__version__
    assert {"numpy"} < told.versions.keys() <= {"miniseg-edge", "numpy", "opencv-python", "opencv-python-headless"}
    assert told.obstacles["native"] is None
    assert "openvino is not installed" in str(told.obstacles["openvino"])


def test_it_starts_no_python(app: Path, demo_bundle_path: Path, slices: dict[str, np.ndarray], tmp_path: Path) -> None:
    """`sys.executable` is the app itself."""
    assert run(app, demo_bundle_path, slices, tmp_path).children == "USAGE"


def test_it_holds_nothing_that_it_does_not_need(app: Path) -> None:
    inside = {path.name.split("-")[0].split(".")[0] for path in (app / "_internal").iterdir()}
    assert inside.isdisjoint({"torch", "openvino", "onnxruntime", "pydicom", "matplotlib", "PyInstaller"})
    assert (app / "_internal" / "miniseg_edge" / "native" / "libminiseg.so").is_file()
    assert sum(path.stat().st_size for path in app.rglob("*") if path.is_file() and not path.is_symlink()) < MAX_BYTES
