"""INT8 from the request to the mask, on real backends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge import training
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import NoGainError, ParityError, UsageError
from miniseg_edge.export.choosing import turns
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.quantization import int8
from miniseg_edge.export.quantization.search import stability
from miniseg_edge.export.quantization.search.journal import Journal
from miniseg_edge.export.quantization.search.plan import QuantizationPlan, plan_from_file
from miniseg_edge.export.quantization.search.search import ladder_of
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.parity.metrics import dice
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.images import write_png

LENIENT = {"fp32": ParityLimits(), "int8": ParityLimits(max_real_flips=None)}
"""An untrained network's masks hang on rounding; what is tested with it is not how well they keep."""

SEARCHED_SIZE = (128, 128)
DEMO = Path(training.__file__).with_name("demo.pth")


def calibration(folder: Path, count: int, size: tuple[int, int], first_seed: int = 300) -> Path:
    for item in phantoms(count, first_seed=first_seed, size=size):
        write_png(folder / f"{item.name}.png", item.image)
    return folder


def plan_of(path: Path, *groups: str) -> Path:
    path.write_text(json_from_record(QuantizationPlan(1, groups, 0, "by hand", "", ())))
    return path


@pytest.fixture(scope="module", autouse=True)
def small_search() -> Iterator[None]:
    """Every fourth set of the ladder, and fewer fits for the verdict on stability; see search/ for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "ladder_of", lambda *about: ladder_of(*about)[::4])
        patch.setattr(stability, "SUBSETS", 3)
        yield


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportRequest:
    """Both targets in INT8 by a plan that was written by hand."""
    folder = tmp_path_factory.mktemp("int8")
    return ExportRequest(
        tiny_checkpoint_path, folder / "out", ("onnx", "openvino"), ("fp32", "int8"), size=(64, 64), limits=LENIENT,
        calibration=calibration(folder / "slices", 16, (64, 64)),
        quantization=plan_of(folder / "plan.json", "first", "exchange-2", "decoder"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tiny: ExportRequest) -> Bundle:
    export_bundle(tiny)
    return miniseg_edge.open_bundle(tiny.output)


@pytest.mark.slow
def test_the_manifest_says_what_was_quantized_and_what_ran(exported: Bundle) -> None:
    for target in ("onnx", "openvino"):
        artifact = exported.manifest.artifact(target, "int8")
        assert artifact is not None
        assert artifact.quantization is not None
        assert artifact.quantization.groups == ("first", "exchange-2", "decoder")
        assert len(set(artifact.quantization.calibration)) == 12, "a quarter is held back to judge on"
        assert artifact.quantization.plan in exported.contents
        shown = {share.precision: share for share in artifact.shares}
        assert set(shown) == ({"int8", "fp32"} if target == "openvino" else set())
    exact = exported.manifest.artifact("openvino", "fp32")
    assert exact is not None
    assert "int8" not in {share.precision for share in exact.shares}


@pytest.mark.slow
def test_without_validation_slices_those_held_back_judge(exported: Bundle) -> None:
    assert exported.manifest.parity.validation == "4 of the calibration slices, held back, no labels"
    report = json.loads(exported.contents["parity.json"])
    judged = {found["name"] for found in report["targets"][0]["slices"]}
    artifact = exported.manifest.artifact("onnx", "int8")
    assert artifact is not None
    assert artifact.quantization is not None
    assert not judged & {digest[:12] for digest in artifact.quantization.calibration}


@pytest.mark.slow
def test_fp32_goes_first_and_int8_runs_on_both_runtimes(exported: Bundle) -> None:
    slice_ = phantoms(1, first_seed=900, size=(64, 64))[0].image
    with miniseg_edge.load(exported) as segmenter:
        exact = segmenter.segment(slice_)
    assert exact.precision == "fp32"
    for runtime in ("openvino", "onnxruntime"):
        with miniseg_edge.load(exported, runtime, precision="int8") as segmenter:
            found = segmenter.segment(slice_)
        assert (found.runtime, found.precision) == (runtime, "int8")
        assert 0 < np.abs(found.logit - exact.logit).max() < 0.3 * np.ptp(exact.logit)


@pytest.mark.slow
def test_the_bundles_own_plan_gives_the_same_artefact_again(
    tiny: ExportRequest, exported: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_bytes(exported.contents["quantization/plan.json"])
    export_bundle(replace(tiny, output=tmp_path / "again", targets=("openvino",), quantization=tmp_path / "plan.json"))
    again = miniseg_edge.open_bundle(tmp_path / "again")
    for name in ("openvino-int8/model.xml", "openvino-int8/model.bin"):
        assert again.contents[name] == exported.contents[name]


def test_slices_that_are_validated_on_may_not_calibrate(tiny: ExportRequest, tmp_path: Path) -> None:
    assert tiny.calibration is not None
    mixed = calibration(tmp_path / "validation", 2, (64, 64))
    with pytest.raises(UsageError, match="share slices"):
        export_bundle(replace(tiny, output=tmp_path / "out", validation=mixed))
    assert not (tmp_path / "out").exists()


def test_too_few_slices_are_refused_before_any_work(tiny: ExportRequest, tmp_path: Path) -> None:
    few = calibration(tmp_path / "few", 6, (64, 64))
    told = "expected at least 5 different slices, got 4, besides 2 held back to judge by. Add slices to the folder, or "
    with pytest.raises(UsageError, match=told):
        export_bundle(replace(tiny, output=tmp_path / "out", calibration=few, quantization=None))
    other = calibration(tmp_path / "other", 2, (64, 64), 500)
    with pytest.raises(UsageError, match=r"got 2\. Add slices to the folder\.$"):
        export_bundle(replace(tiny, output=tmp_path / "out", calibration=other, validation=few, quantization=None))


@pytest.mark.slow
def test_a_plan_for_another_network_is_refused(tiny: ExportRequest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be quantized.*fuse-9"):
        export_bundle(replace(tiny, output=tmp_path / "out", quantization=plan_of(tmp_path / "p.json", "fuse-9")))


@pytest.mark.slow
def test_an_artefact_that_draws_another_lesion_is_not_released(tiny: ExportRequest, tmp_path: Path) -> None:
    strict = LENIENT | {"int8": ParityLimits(max_real_flips=None, max_logit_difference=1e-6)}
    result = export_bundle(replace(tiny, output=tmp_path / "out", limits=strict))
    assert result.bundle is not None
    assert {a.precision for a in result.bundle.manifest.artifacts} == {"fp32"}
    assert not [name for name in result.bundle.contents if name.startswith("quantization")]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"calibration": None}, "INT8 needs calibration slices"),
        ({"precisions": ("fp32",)}, "calibration slices are only used by INT8"),
        ({"dynamic_batch": True}, "fixed shapes"),
        ({"dynamic_size": True}, "fixed shapes"),
    ],
)
def test_requests_that_cannot_be_are_refused(tiny: ExportRequest, change: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        replace(tiny, **change)  # type: ignore[arg-type]


@pytest.mark.slow
def test_where_nothing_keeps_the_limits_nothing_is_built(
    tiny: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LOOKS", (1,))
    monkeypatch.setattr(turns, "TURN_S", 0.02)
    never = LENIENT | {"int8": ParityLimits(max_real_flips=None, max_logit_difference=1e-9)}
    wanted = replace(tiny, output=tmp_path / "out", limits=never, quantization=None, targets=("openvino",))
    with pytest.raises(ParityError, match="no set of groups"):
        export_bundle(wanted)
    assert not (tmp_path / "out").exists()
    result = export_bundle(replace(wanted, auto=True))
    assert result.bundle is not None
    (choice,) = result.bundle.manifest.choices
    assert choice.precision == "fp32"


@pytest.mark.slow
def test_int8_that_nothing_shows_to_be_faster_is_built_only_if_that_is_asked_for(
    tiny: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LOOKS", (1,))  # too few rounds for an interval, so on no machine does anything win
    monkeypatch.setattr(turns, "TURN_S", 0.02)
    wanted = replace(tiny, output=tmp_path / "out", quantization=None, targets=("openvino",))
    with pytest.raises(NoGainError, match="no faster than FP32") as caught:
        export_bundle(wanted)
    assert "--slow-int8" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.search.json"], "what was judged need not be judged again"
    assert Journal.at(tmp_path / "out.search.json", _fingerprint(tmp_path)).rounds == ()
    bundle = export_bundle(replace(wanted, slow_int8=True)).bundle
    assert bundle is not None
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (int8,) = (one for one in bundle.manifest.artifacts if one.precision == "int8")
    assert int8.quantization is not None
    assert int8.quantization.faster is False
    assert plan_from_file(tmp_path / "out" / "quantization" / "plan.json").faster is False


def _fingerprint(folder: Path) -> str:
    return str(json.loads((folder / "out.search.json").read_text())["fingerprint"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> ExportRequest:
    """The demo network, which segments lesions, for a real search."""
    folder = tmp_path_factory.mktemp("demo")
    slices = calibration(folder / "slices", 16, SEARCHED_SIZE)
    return ExportRequest(
        DEMO, folder / "out", ("openvino",), ("fp32", "int8"), size=SEARCHED_SIZE, calibration=slices, slow_int8=True
    )


@pytest.fixture(scope="module")
def searched_demo(demo: ExportRequest) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "LOOKS", (2,))
        patch.setattr(turns, "TURN_S", 0.2)
        result = export_bundle(demo)
    assert all(parity.passed for parity in result.parities)
    return miniseg_edge.open_bundle(demo.output)


@pytest.mark.slow
def test_the_search_leaves_a_plan_a_picture_and_nothing_else(demo: ExportRequest, searched_demo: Bundle) -> None:
    plan = plan_from_file(demo.output / "quantization" / "plan.json")
    assert all(bool(trial.p50_ms) != bool(trial.failures) for trial in plan.trials), "what keeps the limits is measured"
    assert any(trial.groups == plan.groups and not trial.failures for trial in plan.trials)
    assert searched_demo.contents["quantization/frontier.png"].startswith(b"\x89PNG")
    assert sorted(p.name for p in demo.output.parent.iterdir()) == ["out", "slices"]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE", "AVX2_VNNI"])
def test_the_lesion_stays_on_cpus_with_less(demo: ExportRequest, searched_demo: Bundle, isa: str) -> None:
    script = (
        "import json, sys, miniseg_edge; from miniseg_edge.phantoms import phantoms\n"
        "with miniseg_edge.load(sys.argv[1], 'openvino', precision='int8') as segmenter:\n"
        "    masks = [segmenter.segment(p.image).mask for p in phantoms(8, first_seed=9000, size=(128, 128))]\n"
        "print(json.dumps([mask.tolist() for mask in masks]))"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    command = [sys.executable, "-c", script, str(demo.output)]
    shown = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
    with miniseg_edge.load(searched_demo, "torch") as reference:
        each = [
            dice(np.array(mask, np.uint8), reference.segment(item.image).mask)
            for mask, item in zip(json.loads(shown), phantoms(8, first_seed=9000, size=SEARCHED_SIZE), strict=True)
        ]
    limits = DEFAULT_LIMITS["int8"]
    assert np.mean(each) >= limits.min_dice_mean
    assert min(each) >= limits.min_dice_worst
