"""What parity cannot tell is said where an export ends."""

from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.export.command import main
from miniseg_edge.export.judging.remarks import (
    agreement_remark,
    contradiction_remark,
    normalisation_remark,
    processor_remark,
)
from miniseg_edge.export.quantization.search.plan import QuantizationPlan
from miniseg_edge.parity.comparison import ParityLimits, ParityReport, TargetParity
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.verification.chain import chain_of
from miniseg_edge.runtimes.verification.command import main as verify
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.demo import CHECKPOINT

PHANTOMS = [phantom(seed, size=(64, 64)) for seed in (1, 2, 3)]
OWN = Statistics(
    float(np.mean([p.image.mean() / 255 for p in PHANTOMS])), float(np.mean([p.image.std() / 255 for p in PHANTOMS]))
)
FOREIGN = ("--mean", "0.7", "--std", "0.2")


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms, their masks, masks that belong to others, and masks without a lesion."""
    folder = tmp_path_factory.mktemp("slices")
    for index, drawn in enumerate(PHANTOMS):
        elsewhere = np.roll(drawn.mask[::-1], 20, axis=1)
        masks = {"masks": drawn.mask, "others": elsewhere, "empty": np.zeros_like(drawn.mask)}
        write_png(folder / "images" / f"{index}.png", drawn.image)
        for name, mask in masks.items():
            write_png(folder / name / f"{index}.png", np.ascontiguousarray(mask * 255))
    return folder


def exported(output: Path, *words: object, checkpoint: Path = CHECKPOINT) -> int:
    small = ("--target", "native", "--input-size", "64", "64", "--output", output)
    return main([str(word) for word in (checkpoint, *small, *words)])


def points(shown: str) -> list[str]:
    """The list at the end of a command's output, after the line that says it is done."""
    before, _, after = shown.partition(" is ready: ")
    assert before, shown
    return after.splitlines()[2:]


def test_slices_that_do_not_fit_the_statistics_are_in_the_last_lines(
    checkpoint_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--validation", slices / "images", *FOREIGN)
    assert exported(tmp_path / "out", *words, checkpoint=checkpoint_path) == 0
    shown = capsys.readouterr()
    point, contradiction = points(shown.out)
    assert "is not the checkpoint's own" in contradiction
    assert "8-bit slices; DICOM and NIfTI need an export with --window" in shown.out
    assert "normalisation does not fit the validation slices: it is for mean 0.700, std 0.200" in point
    assert "does not fit the validation slices" in shown.err, "and at once"
    assert open_bundle(tmp_path / "out").manifest.parity.remarks[0] == point.removeprefix("  - ")


@pytest.mark.slow
def test_what_fits_is_passed_over_in_silence(slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--validation", slices / "images", "--labels", slices / "masks")
    assert exported(tmp_path / "out", *words) == 0
    shown = capsys.readouterr()
    assert points(shown.out) == []
    assert "warning" not in shown.err
    assert open_bundle(tmp_path / "out").manifest.parity.remarks == ()


@pytest.mark.slow
def test_without_real_slices_the_normalisation_is_said_to_be_unchecked(
    checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(tmp_path / "out", *FOREIGN, checkpoint=checkpoint_path) == 0
    point, _ = points(capsys.readouterr().out)
    assert "Judged on drawn phantoms alone" in point
    assert "mean 0.700, std 0.200" in point
    assert "could not be checked" in point


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["others", "empty"])
def test_a_network_that_does_not_find_the_lesions_is_shouted_about(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: str
) -> None:
    """Parity held: it is released, and the bundle records the remark."""
    words = ("--validation", slices / "images", "--labels", slices / labels)
    assert exported(tmp_path / "out", *words) == 0
    shown = capsys.readouterr()
    (point,) = points(shown.out)
    assert ("DOES NOT FIND THE LABELS' LESIONS" in point) == (labels == "others")
    assert ("labels hold no lesion" in point) == (labels == "empty")
    bundle = open_bundle(tmp_path / "out")
    report = record_from_object(ParityReport, object_from_json(bundle.contents["parity.json"], "report"), "report")
    assert report.remarks == bundle.manifest.parity.remarks == (point.removeprefix("  - "),)
    assert (report.targets[0].reference_kappa is None) == (labels == "empty")
    parity = next(link for link in chain_of(bundle, "none") if link.title.startswith("parity"))
    assert report.remarks[0] in {fact.value for fact in parity.facts}
    assert verify([str(tmp_path / "out")]) == 0
    assert report.remarks[0] in capsys.readouterr().out


@pytest.mark.slow
def test_it_can_be_made_to_fail(slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--validation", slices / "images", "--labels", slices / "others")
    assert exported(tmp_path / "out", *words, "--min-reference-iou", "0.6") == 3
    shown = capsys.readouterr()
    assert "the reference's own mIoU is 0.4" in shown.err
    assert "at least 0.6 wanted" in shown.err
    assert "DOES NOT FIND" in shown.out
    assert not (tmp_path / "out").exists()
    assert exported(tmp_path / "out", *words, "--min-reference-iou", "0.3") == 0
    assert exported(tmp_path / "again", "--min-reference-iou", "0.3") == 2, "there are no labels"


@pytest.mark.slow
def test_slices_for_calibration_are_in_the_last_lines_too(
    slices: Path, tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(8):
        write_png(tmp_path / "calibration" / f"{index}.png", phantom(300 + index, size=(64, 64)).image)
    plan = tmp_path / "plan.json"
    plan.write_text(json_from_record(QuantizationPlan(1, ("first",), 0, "by hand", "", ())))
    any_mask = [
        "--max-tiny-changes",
        "100000",
        "--min-dice-mean",
        "0",
        "--min-dice-worst",
        "0",
        "--max-real-flips",
        "9999",
    ]
    words = ["--target", "openvino", "--precision", "int8", "--quantization", plan, *any_mask, *FOREIGN]
    words += ["--input-size", "64", "64", "--calibration", tmp_path / "calibration", "--output", tmp_path / "out"]
    assert main([str(word) for word in (tiny_checkpoint_path, *words)]) == 0
    fitting, contradiction = points(capsys.readouterr().out)
    assert "normalisation does not fit the calibration slices" in fitting
    assert "is not the checkpoint's own" in contradiction


def test_slices_for_calibration_are_looked_at_too() -> None:
    images = [drawn.image for drawn in PHANTOMS]
    assert normalisation_remark(OWN, "calibration", images) is None
    remark = normalisation_remark(Statistics(OWN.mean + 0.2, OWN.std), "calibration", images)
    assert remark is not None
    assert "the calibration slices" in remark


@pytest.mark.parametrize(
    ("change", "fits"),
    [((0.09, 1.0), True), ((0.11, 1.0), False), ((-0.11, 1.0), False), ((0, 1.3), False), ((0, 0.7), False)],
)
def test_statistics_fit_within_bounds(change: tuple[float, float], fits: bool) -> None:
    statistics = Statistics(OWN.mean + change[0], OWN.std * change[1])
    assert (normalisation_remark(statistics, "validation", [p.image for p in PHANTOMS]) is None) == fits


def test_rounded_statistics_are_the_same() -> None:
    own = Statistics(0.60239649, 0.29618761)
    assert contradiction_remark(Statistics(0.602, 0.296), own) is None
    assert contradiction_remark(own, None) is None
    assert contradiction_remark(Statistics(0.602, 0.31), own) is not None


def parity(kappa: float | None, mean_iou: float | None = 0.5) -> TargetParity:
    limits = ParityLimits()
    return TargetParity("onnx", "fp32", "onnxruntime", limits, (), mean_iou, mean_iou, (), reference_kappa=kappa)


@pytest.mark.parametrize(("kappa", "silent"), [(-0.1, False), (0.0, False), (0.19, False), (0.21, True), (0.8, True)])
def test_slight_agreement_is_remarked_on(kappa: float, silent: bool) -> None:
    assert (agreement_remark([parity(kappa)]) is None) == silent
    assert agreement_remark([parity(None, None)]) is None, "no labels"


def artifacts(*which: tuple[str, str]) -> list[Artifact]:
    return [Artifact(target, precision, ("model",), 1, "form") for target, precision in which]


def test_the_cpus_that_cannot_open_a_bundle_are_named(bundle: Bundle) -> None:
    assert processor_remark(bundle.manifest.artifacts) is None
    alone = processor_remark(artifacts(("openvino", "bf16"), ("onnx", "fp32")))
    beside = processor_remark(artifacts(("openvino", "fp32"), ("openvino", "bf16")))
    assert alone is not None
    assert beside is not None
    assert "opens only on CPUs with AVX-512 BF16 or AMX" in alone
    assert "add --precision fp32" in alone
    assert "runs fp32 unless bf16 is asked for" in beside
