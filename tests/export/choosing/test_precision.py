from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.manifest import PrecisionChoice
from miniseg_edge.export.choosing import turns
from miniseg_edge.export.choosing.precision import kept_artifacts
from miniseg_edge.export.command import main
from miniseg_edge.export.quantization.search import stability
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.images import write_png

SMALL = ("--input-size", "64", "64", "--min-dice-mean", "0", "--min-dice-worst", "0", "--max-tiny-changes", "5000")


@pytest.mark.slow
def test_auto_keeps_what_pays_and_says_why(
    tiny_checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LOOKS", (3,))
    monkeypatch.setattr(turns, "TURN_S", 0.1)
    monkeypatch.setattr(stability, "SUBSETS", 3)
    for item in phantoms(16, first_seed=300, size=(64, 64)):
        write_png(tmp_path / "slices" / f"{item.name}.png", item.image)
    words = [str(tiny_checkpoint_path), "--target", "openvino", "--precision", "auto", *SMALL]
    assert main([*words, "--calibration", str(tmp_path / "slices"), "--output", str(tmp_path / "out")]) == 0
    manifest = open_bundle(tmp_path / "out").manifest
    (found,) = manifest.choices
    beside = ["fp32"] if found.precision == "bf16" else []
    assert [a.precision for a in manifest.artifacts if a.target == "openvino"] == [*beside, found.precision]
    medians = {timing.precision: float(np.median(timing.p50_ms)) for timing in found.timings}
    assert {"fp32", "int8"} <= set(medians)
    assert all(min(timing.processor_ms) > 0 for timing in found.timings)
    assert found.precision == "fp32", "three rounds show nothing"
    assert found.reason.startswith(f"{found.precision} is kept")
    assert all(name in found.reason for name in medians)
    assert {v.precision for v in manifest.parity.verdicts} == set(medians), "those passed over are in the report"


def test_fp32_stays_beside_bf16_which_other_cpus_cannot_open() -> None:
    passed = {("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"), ("onnx", "fp32"), ("onnx", "int8")}

    def kept(openvino: str, among: set[tuple[str, str]] = passed) -> set[tuple[str, str]]:
        chosen = (("openvino", openvino), ("onnx", "int8"))
        return kept_artifacts([PrecisionChoice(*one, "it pays", "a CPU", ()) for one in chosen], among)

    assert kept("bf16") == {("openvino", "bf16"), ("openvino", "fp32"), ("onnx", "int8")}
    assert kept("bf16", passed - {("openvino", "fp32")}) == {("openvino", "bf16"), ("onnx", "int8")}
    assert kept("int8") == {("openvino", "int8"), ("onnx", "int8")}


def test_auto_without_slices_says_that_int8_is_not_tried(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tiny_checkpoint_path), "--target", "onnx", "--precision", "auto", "--input-size", "32", "32"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    assert "INT8 is not tried" in capsys.readouterr().out
    (found,) = open_bundle(tmp_path / "out").manifest.choices
    assert (found.precision, found.timings) == ("fp32", ())


def test_auto_chooses_alone(tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tiny_checkpoint_path), "--target", "openvino", "--precision", "auto", "--precision", "fp32"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "cannot be combined with other precisions" in capsys.readouterr().err
