"""Networks compared: a whole run, short; what is in the reports, never how fast anything was."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.benchmarks.command import main
from miniseg_edge.benchmarks.networks.bundles import Contender, ExportPlan, contenders
from miniseg_edge.benchmarks.networks.page import html_from_networks, rows
from miniseg_edge.benchmarks.networks.plot import png_from_networks
from miniseg_edge.benchmarks.networks.report import NetworkResult, NetworksReport
from miniseg_edge.benchmarks.report import Failure, Machine, Method
from miniseg_edge.benchmarks.statistics import Ratio, distribution
from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import InputError
from miniseg_edge.host.opencv import cv2
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import ByteArray, Statistics
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.demo import CHECKPOINT
from miniseg_edge.training.networks.miniseg import MiniSeg

SHORT = ("--duration", "0.2", "--rounds", "2", "--threads", "1", "--runtime", "onnxruntime")
TINY = Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0))
BLUE = (178, 114, 0)  # the first colour, in BGR


def report_from_json(data: bytes) -> NetworksReport:
    found = object_from_json(data, "networks.json", InputError)
    return record_from_object(NetworksReport, found, "networks.json", InputError)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("slices")
    for seed in (1, 2, 3):
        drawn = phantom(seed, size=(64, 64))
        write_png(folder / "images" / f"{seed}.png", drawn.image)
        write_png(folder / "masks" / f"{seed}.png", drawn.mask * 255)
    return folder / "images", folder / "masks"


@pytest.fixture(scope="module")
def run(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained MiniSeg, and MONAI's networks with random weights: one that takes the size, one that does not."""
    output = tmp_path_factory.mktemp("networks") / "out"
    slices = ("--input", str(folders[0]), "--labels", str(folders[1]), "--input-size", "72", "72")
    arguments = ["networks", str(CHECKPOINT), "--output", str(output), *SHORT, *slices]
    assert main([*arguments, "--network", "monai-segresnet", "monai-unet"]) == 0
    return output


@pytest.mark.slow
class TestRun:
    def test_each_network_has_a_row_with_its_own_figures(self, run: Path) -> None:
        report = report_from_json((run / "networks.json").read_bytes())
        assert [r.name for r in report.results] == ["demo onnxruntime fp32", "monai-segresnet onnxruntime fp32"]
        own, other = report.results
        assert (own.network, own.parameters, own.form) == ("miniseg-83k", 82_666, "blocked")
        assert (other.network, other.parameters, other.form) == ("monai-segresnet", 1_576_690, "as trained")
        for result in report.results:
            assert sum(map(len, result.rounds_ms)) == result.latency.samples >= 20
            assert result.infer.p50_ms < result.latency.p50_ms
            assert len(result.cold_start_s) == 2
            assert result.parity_dice_worst > 0.99
        assert other.macs > own.macs > 1e6
        assert other.model_mb > 4 * 1.5 > own.model_mb
        assert own.relative is None
        assert other.relative is not None
        assert other.relative.baseline == own.name
        assert (report.size, report.method.slice_size) == ((72, 72), "72 x 72")

    def test_accuracy_is_that_of_trained_networks_alone(self, run: Path) -> None:
        report = report_from_json((run / "networks.json").read_bytes())
        own, other = report.results
        assert (own.trained, other.trained) == (True, False)
        assert own.mean_iou is not None
        assert own.dice is not None
        assert own.mean_iou > 0.5
        assert (other.mean_iou, other.dice) == (None, None)
        assert [row[-1] for row in rows(report)] == [f"{own.dice:.4f}", "not trained"]

    def test_what_could_not_be_exported_is_said(self, run: Path) -> None:
        (failure,) = report_from_json((run / "networks.json").read_bytes()).failures
        assert failure.name == "the export of monai-unet"
        assert failure.reason.startswith("EXPORT: monai-unet does not take this size")
        assert "multiples of 16, such as --input-size 80 80" in (run / "networks.html").read_text()
        assert (run / "networks.png").read_bytes().startswith(b"\x89PNG")


def result(
    label: str, parameters: int, p50_ms: float, precision: str = "fp32", mean_iou: float | None = 0.8
) -> NetworkResult:
    """A row as it is measured."""
    latency = distribution(p50_ms * np.linspace(0.95, 1.1, 20))
    return NetworkResult(
        name=f"{label} openvino {precision}",
        label=label,
        network=label,
        trained=mean_iou is not None,
        runtime="openvino",
        precision=precision,
        form="as trained",
        parameters=parameters,
        macs=50 * parameters,
        model_mb=4e-6 * parameters,
        latency=latency,
        infer=latency,
        throughput_slices_per_s=1e3 / p50_ms,
        peak_rss_mb=300.0,
        cold_start_s=(1.0, 1.1),
        parity_dice_worst=1.0,
        parity_flips=0,
        mean_iou=mean_iou,
        dice=mean_iou,
        relative=None if label == "miniseg-83k" else Ratio(label, "miniseg-83k", 0.1, 0.08, 0.125),
        rounds_ms=((p50_ms,) * 10,) * 2,
    )


RESULTS = (
    result("miniseg-83k", 82_666, 14.0),
    result("miniseg-83k", 82_666, 10.0, "bf16"),
    result("monai-unet", 1_625_737, 60.0, mean_iou=0.78),
    result("monai-dynunet", 46_310_050, 900.0, mean_iou=0.82),
)


def report_of(*results: NetworkResult) -> NetworksReport:
    return NetworksReport(
        schema_version=1,
        created="2026-01-01T00:00:00+00:00",
        machine=Machine("a machine", "a processor", 2, 25.0, "Linux", {}),
        size=(512, 512),
        method=Method(("single-stream",), 2, 10.0, 20, None, ("1", "2"), "512 x 512"),
        results=results,
        failures=(Failure("monai-segresnet", "too late"),),
    )


def drawn(report: NetworksReport) -> ByteArray:
    picture = cv2.imdecode(np.frombuffer(png_from_networks(report), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def pixels(picture: ByteArray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_a_report_is_read_as_it_was_written() -> None:
    assert report_from_json(json_from_record(report_of(*RESULTS)).encode()) == report_of(*RESULTS)


def test_the_picture_has_a_bubble_for_each_result() -> None:
    assert pixels(drawn(report_of(*RESULTS)), BLUE) > pixels(drawn(report_of(RESULTS[0], *RESULTS[2:])), BLUE) > 50


def test_networks_without_accuracy_are_drawn_by_their_arithmetic_or_not_at_all() -> None:
    untrained = [replace(r, mean_iou=None, dice=None, trained=False) for r in RESULTS]
    assert pixels(drawn(report_of(*untrained)), BLUE) > 50
    assert pixels(drawn(report_of(*untrained[:2], *RESULTS[2:])), BLUE) > 50  # the first that is drawn is blue
    several = drawn(report_of(*RESULTS[2:], *untrained[:2]))
    assert np.array_equal(several, drawn(report_of(*RESULTS[2:])))


def test_how_many_times_slower_is_with_its_interval() -> None:
    assert [row[5] for row in rows(report_of(*RESULTS))] == ["1", "1", "10.00 (8.00..12.50)", "10.00 (8.00..12.50)"]


def test_names_are_text_on_the_page() -> None:
    hostile = "</td><script>alert(1)</script>"
    page = html_from_networks(report_of(replace(RESULTS[0], name=hostile)), b"picture")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "too late" in page


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (("one.pth", "two.pth"), ["one", "two"]),
        (("unet/checkpoint.pth", "miniseg/checkpoint.pth"), ["unet", "miniseg"]),
        (("a/fold-1/checkpoint.pth", "b/fold-1/checkpoint.pth"), ["a fold-1", "b fold-1"]),
    ],
)
def test_checkpoints_are_called_by_what_sets_them_apart(
    files: tuple[str, ...], labels: list[str], tmp_path: Path
) -> None:
    for file in files:
        save_checkpoint(MiniSeg(TINY), Statistics(0.5, 0.25), tmp_path / file)
    found, failures = contenders([tmp_path / file for file in files], (), tmp_path)
    assert ([one.label for one in found], failures) == (labels, [])


@pytest.mark.parametrize(("trained", "dice"), [(True, (0.98, 0.95)), (False, (0.0, 0.0))])
def test_trained_networks_are_held_to_the_lesion_and_random_weights_to_nothing(
    trained: bool, dice: tuple[float, float], tmp_path: Path
) -> None:
    plan = ExportPlan(("onnx",), (48, 64), tmp_path, tmp_path / "labels")
    words = plan.arguments(Contender("a", CHECKPOINT, trained), tmp_path / "bundle")
    options = dict(pairwise(words))
    assert (float(options["--min-dice-mean"]), float(options["--min-dice-worst"])) == dice
    assert (options["--input-size"], options["--precision"], "--labels" in options) == ("48", "fp32", trained)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--network", "nobody"], 2, "the network is unknown"),
        (["--runtime", "tflite"], 2, "USAGE"),
        (["--rounds", "1"], 2, "--rounds"),
        (["--labels", "masks"], 2, "labels need slices and checkpoints"),
        (["--scenario", "burst"], 2, "compared by latency"),
        (["missing.pth"], 1, "CHECKPOINT: "),
    ],
)
def test_what_cannot_be_compared_is_refused_first(
    arguments: list[str],
    code: int,
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["networks", "--output", "out", *arguments]) == code
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "error"),
    [
        (("2/a.pth", "3/b.pth"), "differ in their number of classes"),
        (("2/a.pth", "2/a.pth"), "two networks have the same name"),
    ],
)
def test_checkpoints_that_do_not_go_together_are_refused_first(
    files: tuple[str, ...],
    error: str,
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in files:
        save_checkpoint(MiniSeg(replace(TINY, classes=int(file[0]))), Statistics(0.5, 0.25), tmp_path / file)
    slices = ("--input", str(folders[0]), "--labels", str(folders[1]))
    paths = [str(tmp_path / file) for file in files]
    assert main(["networks", *paths, "--output", str(tmp_path / "out"), *SHORT, *slices]) == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
