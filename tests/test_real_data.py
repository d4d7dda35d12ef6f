"""Fold 1 of CT100 with the published checkpoint: what comes out must be what its authors published."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.images import label_from_file, slice_from_file
from miniseg_edge.metrics import Confusion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ct100(shared: Path) -> Path:
    return shared / "data" / "ct100"


@pytest.fixture(scope="module")
def names(ct100: Path) -> list[str]:
    found: list[str] = json.loads((ct100 / "fold1.json").read_text())["test"]
    return found


@pytest.fixture(scope="module")
def published(ct100: Path, names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, made by the command in a process of its own, within the memory that was promised."""
    folder = tmp_path_factory.mktemp("ct100")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
        for name in names:
            (folder / kind / f"{name}.png").write_bytes((ct100 / kind / f"{name}.png").read_bytes())
    fold = json.loads((ct100 / "fold1.json").read_text())
    command = [
        sys.executable, "-m", "miniseg_edge.export", str(ct100 / "MiniSeg_CrossVal1.pth"),
        "--target", "onnx", "--target", "openvino", "--output", str(folder / "bundle"),
        "--mean", str(fold["mean"]), "--std", str(fold["std"]),
        "--validation", str(folder / "images"), "--labels", str(folder / "masks"),
    ]  # fmt: skip
    # A small process in between, because a child's peak would otherwise start from that of the test run.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    shown = subprocess.run([sys.executable, "-c", script, *command], check=True, stdout=subprocess.PIPE, text=True)
    assert int(shown.stdout) < 2 * 2**20
    return folder / "bundle"


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "torch"])
def test_the_published_masks_come_out(published: Path, ct100: Path, names: list[str], runtime: str) -> None:
    differing, confusion = 0, Confusion.empty(2)
    with miniseg_edge.load(published, runtime) as segmenter:
        for name in names:
            mask = segmenter.segment(slice_from_file(ct100 / "images" / f"{name}.png")).mask
            official = label_from_file(ct100 / "official_masks_fold1" / f"{name}.png", 2)
            differing += int((mask != official).sum())
            confusion = confusion.plus(mask, label_from_file(ct100 / "masks" / f"{name}.png", 2))
    assert differing <= 1
    assert confusion.mean_iou() == pytest.approx(0.8080, abs=5e-5)


def test_the_manifest_says_so(published: Path) -> None:
    bundle = miniseg_edge.open_bundle(published)
    report = json.loads(bundle.contents["parity.json"])
    for target in report["targets"]:
        assert not target["failures"]
        assert target["mean_iou"] == pytest.approx(0.8080, abs=5e-5)
        assert sum(s["real_flips"] for s in target["slices"]) == 0


def test_imagenets_normalisation_is_loudly_different(published: Path, ct100: Path, names: list[str]) -> None:
    """What the statistics are for: with other ones thousands of pixels change, so a guess is never made."""
    slice_ = slice_from_file(ct100 / "images" / f"{names[0]}.png")
    right = miniseg_edge.open_bundle(published).manifest.preprocessing.statistics
    as_if = (slice_ / np.float32(255) - np.float32(0.485)) / np.float32(0.229) * np.float32(right.std)
    shifted = np.clip((as_if + np.float32(right.mean)) * 255, 0, 255).astype(np.float32)
    with miniseg_edge.load(published) as segmenter:
        changed = segmenter.segment(slice_).mask != segmenter.segment(shifted).mask
    assert changed.sum() > 5_000
