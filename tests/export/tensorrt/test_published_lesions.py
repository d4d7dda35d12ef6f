"""FP16 on fold 1 of CT100 with the published checkpoint, as far as a machine without a GPU can judge it."""

import json
from pathlib import Path

import pytest

from miniseg_edge.bundle import open_bundle
from miniseg_edge.export.command import main

pytestmark = pytest.mark.slow


def test_half_precision_draws_the_published_lesions(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    ct100 = shared / "data" / "ct100"
    names = json.loads((ct100 / "fold1.json").read_text())["test"]
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for name in names:
            (tmp_path / kind / f"{name}.png").write_bytes((ct100 / kind / f"{name}.png").read_bytes())
    words = ["--target", "trt-rtx", "--mean", "0.60239649", "--std", "0.29618761"]
    words += ["--validation", str(tmp_path / "images"), "--labels", str(tmp_path / "masks")]
    assert main([str(ct100 / "MiniSeg_CrossVal1.pth"), *words, "--output", str(tmp_path / "bundle")]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    (verdict,) = bundle.manifest.parity.verdicts
    assert (verdict.target, verdict.precision, verdict.slices) == ("trt-rtx", "fp16", 20)
    assert verdict.dice_mean > 0.999
    assert verdict.dice_worst > 0.995
    (target,) = json.loads(bundle.contents["parity.json"])["targets"]
    assert target["mean_iou"] == pytest.approx(0.8080, abs=5e-4)
