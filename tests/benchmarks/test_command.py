"""A whole run, short: what is in the report, never how fast anything was."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.benchmarks.command import SUBCOMMANDS, main
from miniseg_edge.benchmarks.compare.compare import compare
from miniseg_edge.benchmarks.report import Report, report_from_file
from miniseg_edge.benchmarks.run import inputs
from miniseg_edge.benchmarks.run.inputs import phantoms_in
from miniseg_edge.benchmarks.subcommand import Subcommand
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import InputError
from miniseg_edge.host.dependencies import installed
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import slice_from_file, write_png
from tests.attacks.hostile_folder import hostile_folder

SHORT = ("--duration", "0.4", "--rounds", "2", "--threads", "1")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("slices")
    for seed in (1, 2, 3):
        drawn = phantom(seed, size=(64, 64))
        write_png(folder / "images" / f"{seed}.png", drawn.image)
        write_png(folder / "masks" / f"{seed}.png", drawn.mask * 255)
    return folder / "images", folder / "masks"


@pytest.fixture(scope="module")
def run(bundle_path: Path, folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("bench") / "report"
    every = [word for s in ("single-stream", "offline", "burst") for word in ("--scenario", s)]
    slices = ("--input", str(folders[0]), "--labels", str(folders[1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "CT_SLICES", 20)
        assert main(["run", str(bundle_path), "--output", str(output), *SHORT, *every, *slices]) == 0
    return output


@pytest.fixture(scope="module")
def report(run: Path) -> Report:
    return report_from_file(run / "report.json")


@pytest.mark.slow
def test_every_runtime_of_the_bundle_is_there_with_every_field(run: Path) -> None:
    found = json.loads((run / "report.json").read_text())
    assert [r["name"] for r in found["results"]] == ["native fp32", "openvino fp32", "onnxruntime fp32"]
    assert [r["artifact"] for r in found["results"]] == [
        "native/model.miniseg",
        "openvino/model.xml",
        "onnx/model.onnx",
    ]
    wanted = {
        "runtime", "precision", "artifact", "p50_ms", "p90_ms", "p99_ms", "throughput_slices_per_s", "peak_rss_mb",
        "dice_mean", "dice_worst", "ratio_to_baseline",
    }  # fmt: skip
    for result in found["results"]:
        assert wanted <= result.keys()
        assert all(result[key] is not None for key in wanted)


@pytest.mark.slow
def test_figures_agree_with_each_other(report: Report) -> None:
    for result in report.results:
        assert result.latency is not None
        assert sum(map(len, result.rounds_ms)) == result.latency.samples >= 100
        assert result.latency.min_ms <= result.latency.p50_ms <= result.latency.p90_ms <= result.latency.max_ms
        assert (result.dice_worst, result.changed_pixels) == (1.0, 0)
        assert result.mean_iou is not None
        assert len(result.cold_start_s) == len(result.load_ms) == 2, "one for each round"
        assert all(0 < load < 1e3 * cold for load, cold in zip(result.load_ms, result.cold_start_s, strict=True))
        assert len(result.offline_slices_per_s) == len(result.burst_first_ms) == 2
        assert result.study is not None
        assert result.study.slices == 20
        assert len(result.study.whole_ms) == 2
        assert all(a > b > 0 for a, b in zip(result.study.whole_ms, result.study.first_mask_ms, strict=True))
        assert result.study.times_inference > 0
        assert len(result.slices) == 3
        assert result.macs > 1e6
        assert result.times_limit is not None
        assert result.times_limit > 0
    assert [len(limit.gflops) for limit in report.limits] == [2, 2, 2]
    assert report.reference == "the FP32 network in torch"
    assert report.results[0].ratio_to_baseline == 1.0
    assert len(report.ratios) == 3
    assert report.failures == ()


@pytest.mark.slow
def test_the_page_is_written_beside_it(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "openvino fp32" in page
    assert "onnxruntime fp32" in page


@pytest.mark.slow
def test_reports_are_not_overwritten_silently(run: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle_path), "--output", str(run)]) == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["missing", "--output", "out"], 1, "BUNDLE"),
        (["BUNDLE", "--output", "out", "--runtime", "tflite"], 2, "USAGE"),
        (["BUNDLE", "--output", "out", "--input", "missing"], 1, "NO_IMAGES"),
        (["BUNDLE", "--output", "out", "--rounds", "1"], 2, "USAGE"),
        (["compare", "missing.json", "other.json"], 1, "INPUT"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(
    arguments: list[str],
    code: int,
    error: str,
    bundle_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(bundle_path) if word == "BUNDLE" else word for word in arguments]) == code
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        (["BUNDLE", "--output", "out", "--soak", "1"], "--soak 1"),
        (["run", "BUNDLE", "--output", "out", "--hours", "1"], "--hours 1"),
        (["soak", "BUNDLE", "--output", "out", "--peers"], "--peers"),
        (["soak", "BUNDLE", "--output", "out", "--input", "slices"], "--input slices"),
        (["serve", "BUNDLE", "--output", "out", "--scenario", "burst"], "--scenario burst"),
        (["archive", "BUNDLE", "--output", "out", "--duration", "1"], "--duration 1"),
        (["networks", "--output", "out", "--peers"], "--peers"),
        (["compare", "old.json", "new.json", "--output", "out"], "--output out"),
        (["self-check", "BUNDLE", "--runtime", "openvino"], "--runtime openvino"),
        (["BUNDLE", "other", "--output", "out"], "other"),
    ],
)
def test_options_that_a_subcommand_does_not_know_are_refused(
    words: list[str], unknown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"unrecognized arguments: {unknown}\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], *([name] for name in ("run", "soak", "serve", "archive", "networks"))])
def test_a_subcommand_without_its_output_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize("subcommand", SUBCOMMANDS, ids=lambda subcommand: subcommand.name)
def test_a_bundle_may_have_a_subcommands_name(subcommand: Subcommand, tmp_path: Path) -> None:
    """Given as a path; here of a bundle that is not there, which is found out by `run`."""
    assert main([f"{tmp_path}/{subcommand.name}", "--output", str(tmp_path / "out")]) == 1


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(subcommand.name in shown for subcommand in SUBCOMMANDS)


def slower(report: Report, factor: float) -> Report:
    """The same report with every latency multiplied."""
    results = tuple(
        replace(r, rounds_ms=tuple(tuple(ms * factor for ms in samples) for samples in r.rounds_ms))
        for r in report.results
    )
    return replace(report, results=results)


@pytest.mark.slow
def test_compare_finds_what_got_slower_or_draws_worse(report: Report, tmp_path: Path) -> None:
    count = len(report.results)
    assert [c.verdict for c in compare(report, slower(report, 3.0))] == count * ["slower"]
    assert [c.verdict for c in compare(slower(report, 3.0), report)] == count * ["faster"]
    assert [c.verdict for c in compare(report, report)] == count * ["within noise"]
    other = replace(report, results=tuple(replace(r, dice_worst=0.5) for r in report.results))
    assert [c.worse for c in compare(report, other)] == count * [True]

    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json_from_record(report))
    new.write_text(json_from_record(slower(report, 3.0)))
    assert main(["compare", str(old), str(new)]) == 1
    assert main(["compare", str(new), str(old)]) == 0


@pytest.mark.slow
def test_a_report_of_another_schema_is_refused(run: Path, tmp_path: Path) -> None:
    found = json.loads((run / "report.json").read_text())
    (tmp_path / "future.json").write_text(json.dumps({**found, "schema_version": 2}))
    with pytest.raises(InputError, match="unsupported schema"):
        report_from_file(tmp_path / "future.json")


@pytest.mark.slow
def test_profile_names_operators(bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--runtime", "openvino", "onnxruntime", "--profile")
    assert main([str(bundle_path), "--output", str(tmp_path / "out"), *SHORT, *words]) == 0
    shown = capsys.readouterr().out
    assert "Where the time goes: openvino fp32" in shown
    assert "Where the time goes: onnxruntime fp32" in shown
    assert "Convolution" in shown


def near_ties(bundle_path: Path, slices: Sequence[Path]) -> list[int]:
    """Pixels of each slice that another engine's rounding may turn: which it does turn depends on the processor."""
    with miniseg_edge.load(bundle_path, "native") as segmenter:
        logits = [segmenter.segment(slice_from_file(path)).logit for path in slices]
    return [int((np.abs(logit) < ParityLimits().near_tie).sum()) for logit in logits]


@pytest.mark.slow
def test_peers_are_measured_in_the_same_run_wherever_it_is_started(bundle_path: Path, tmp_path: Path) -> None:
    """Here in a current folder full of traps."""
    folder = hostile_folder(tmp_path)
    command = [
        str(Path(sys.executable).with_name("miniseg-bench")),
        str(bundle_path),
        "--output",
        str(tmp_path / "out"),
    ]
    done = folder.run(*command, *SHORT, "--peers", "--profile")
    assert done.returncode == 0, done.stderr
    folder.check()
    report = report_from_file(tmp_path / "out" / "report.json")
    optional = {"plain MNN FP32": ("MNN",), "plain ncnn FP32": ("ncnn", "pnnx")}
    there = [name for name, packages in optional.items() if all(map(installed, packages))]
    assert [failure.name for failure in report.failures] == [name for name in optional if name not in there]
    assert [p.name for p in report.peers] == [
        "torch eager", "plain ONNX Runtime FP32", "ONNX Runtime static INT8",
        "plain OpenVINO FP32", "NNCF default INT8", *there,
    ]  # fmt: skip
    assert report.baseline == "plain OpenVINO FP32"
    exact = [p for p in report.peers if p.precision == "fp32"]
    assert {p.name for p in exact} == {"torch eager", "plain ONNX Runtime FP32", "plain OpenVINO FP32", *there}
    ties = near_ties(bundle_path, phantoms_in(tmp_path / "phantoms"))
    for peer in exact:
        changed = [one.changed_pixels for one in peer.slices]
        assert all(count <= tie for count, tie in zip(changed, ties, strict=True)), (peer.name, changed, ties)
    assert len(report.vendor_benchmarks) == 1
    vendor = report.vendor_benchmarks[0]
    assert len(vendor.median_ms) == 10
    assert vendor.low_ms is not None
    assert vendor.high_ms is not None
    assert vendor.low_ms <= vendor.overhead_ms <= vendor.high_ms
