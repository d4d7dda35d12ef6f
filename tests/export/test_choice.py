from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.bundle import open_bundle
from miniseg_edge.export import choice, turns
from miniseg_edge.export.command import main
from miniseg_edge.images import write_png
from miniseg_edge.phantoms import phantoms

SMALL = ("--input-size", "64", "64", "--min-dice-mean", "0", "--min-dice-worst", "0", "--max-tiny-changes", "5000")


@pytest.mark.slow
def test_auto_keeps_what_pays_and_says_why(
    tiny_checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "ROUNDS", 3)
    monkeypatch.setattr(turns, "TURN_S", 0.1)
    for item in phantoms(16, first_seed=300, size=(64, 64)):
        write_png(tmp_path / "slices" / f"{item.name}.png", item.image)
    words = [str(tiny_checkpoint_path), "--target", "openvino", "--precision", "auto", *SMALL]
    assert main([*words, "--calibration", str(tmp_path / "slices"), "--output", str(tmp_path / "out")]) == 0
    manifest = open_bundle(tmp_path / "out").manifest
    (found,) = manifest.choices
    assert [a.precision for a in manifest.artifacts if a.target == "openvino"] == [found.precision]
    medians = {timing.precision: float(np.median(timing.p50_ms)) for timing in found.timings}
    assert {"fp32", "int8"} <= set(medians)
    assert found.reason.startswith(f"{found.precision} is kept")
    assert all(name in found.reason for name in medians)
    assert {v.precision for v in manifest.parity.verdicts} == set(medians), "those passed over are in the report"


def test_auto_without_slices_says_that_int8_is_not_tried(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tiny_checkpoint_path), "--target", "onnx", "--precision", "auto", "--input-size", "32", "32"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    assert "INT8 is not tried" in capsys.readouterr().out
    (found,) = open_bundle(tmp_path / "out").manifest.choices
    assert (found.precision, found.timings[0].p50_ms) == ("fp32", ())


def test_auto_chooses_alone(tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tiny_checkpoint_path), "--target", "openvino", "--precision", "auto", "--precision", "fp32"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "chooses by itself" in capsys.readouterr().err
