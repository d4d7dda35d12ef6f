"""`--target trt` and `--target trt-rtx` from the command to the bundle, on a machine without a GPU."""

import sys
from pathlib import Path

import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.compiled import SOURCE
from miniseg_edge.bundle.manifest import manifest_from_json
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import MissingDependencyError, RuntimeUnavailableError, UsageError
from miniseg_edge.export.command import main
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.runtimes.backends.cuda.gpus import system
from miniseg_edge.runtimes.backends.registry import choose
from miniseg_edge.runtimes.backends.tensorrt.engine_record import engine_of
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT, TENSORRT_RTX
from miniseg_edge.runtimes.verification.command import main as verify
from tests.conftest import has_gpu

SMALL = ["--input-size", "32", "32"]
without_gpu = pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")


@pytest.fixture(scope="module")
def opened(engine_bundle_path: Path) -> Bundle:
    return open_bundle(engine_bundle_path)


def test_the_engine_is_a_citizen_of_the_bundle(opened: Bundle) -> None:
    artifact = opened.manifest.artifact("trt-rtx")
    assert artifact is not None
    assert (artifact.precision, artifact.form) == ("fp16", "direct")
    assert artifact.files == ("trt-rtx-fp16/model.engine", "trt-rtx-fp16/model.onnx")
    record = engine_of(artifact)
    assert record is not None
    assert (record.vendor, record.version) == ("tensorrt_rtx", TENSORRT_RTX.version())
    assert (record.system, record.gpu, record.compute_capabilities) == (system(), "", ())
    assert (record.tf32, record.timing_cache, record.shapes) == (False, None, None)
    assert record.network_precisions["fp16"] > record.network_precisions["fp32"]
    assert opened.manifest.files[record.onnx].bytes > 1000


def test_it_is_marked_as_not_judged_itself(opened: Bundle) -> None:
    artifact = opened.manifest.artifact("trt-rtx")
    assert artifact is not None
    record = engine_of(artifact)
    assert (record.judged_on, record.engine_precisions) == (SOURCE, None)
    assert b'"runtime": "onnxruntime"' in opened.contents["parity.json"]


def test_the_manifest_reads_back_as_it_was_written(opened: Bundle) -> None:
    assert manifest_from_json(json_from_record(opened.manifest).encode()) == opened.manifest


@without_gpu
def test_without_a_driver_the_engine_is_refused_by_name_and_by_precision(opened: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"no usable NVIDIA GPU.*cudaError(NoDevice|InsufficientDriver)"):
        miniseg_edge.load(opened, "tensorrt-rtx")
    with pytest.raises(RuntimeUnavailableError, match="tensorrt-rtx: there is no usable NVIDIA GPU"):
        choose(opened, precision="fp16")


def test_auto_takes_fp32_and_says_what_it_left(opened: Bundle) -> None:
    choice = choose(opened)
    assert (choice.entry.name, choice.artifact.precision) == ("openvino", "fp32")
    assert "tensorrt-rtx: not in FP32, and so only if asked for" in choice.reason


@without_gpu
def test_verify_says_what_it_could_not_check(engine_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify([str(engine_bundle_path)]) == 0
    assert "not checked: tensorrt-rtx: there is no usable NVIDIA GPU" in capsys.readouterr().out


@without_gpu
def test_target_trt_needs_its_gpu_first_and_leaves_nothing(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_checkpoint_path), "--target", "trt", *SMALL, "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "RUNTIME_UNAVAILABLE: --target trt builds its engine on the GPU that will run it" in error
    assert 'pip install "miniseg-edge[tensorrt]"' not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_a_missing_vendor_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = TENSORRT if name == "tensorrt" else TENSORRT_RTX
    for module in vendor.modules:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("miniseg_edge.runtimes.backends.tensorrt.vendors.installed", lambda package: False)
    with pytest.raises(MissingDependencyError, match=rf'pip install "miniseg-edge\[{vendor.extra}\]"'):
        vendor.module()


@pytest.mark.parametrize(
    ("targets", "precisions", "options", "message"),
    [
        (("trt-rtx",), ("int8",), EngineOptions(), "no INT8 convolutions"),
        (("trt-rtx",), ("bf16",), EngineOptions(), "no target can be built in bf16"),
        (("trt",), None, EngineOptions((86,)), "--target trt-rtx"),
        (("trt-rtx",), None, EngineOptions((90,)), "75, 80, 86, 89, 120, 121"),
        (("trt-rtx",), None, EngineOptions((86, 86)), "at most once"),
        (("trt-rtx",), None, EngineOptions(workspace_mib=64), "--workspace; expected --target trt"),
        (("trt",), None, EngineOptions(workspace_mib=0), "at least 1 MiB"),
        (("openvino",), None, EngineOptions(version_compatible=True), "--target trt"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    targets: tuple[str, ...], precisions: tuple[str, ...] | None, options: EngineOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ExportRequest(Path("a.pth"), Path("out"), targets, precisions, engine_options=options)


def test_nothing_said_is_fp16_for_engines_and_fp32_for_the_others() -> None:
    request = ExportRequest(Path("a.pth"), Path("out"), ("onnx", "openvino", "trt", "trt-rtx"))
    assert [str(build) for build in request.builds] == ["onnx fp32", "openvino fp32", "trt fp16", "trt-rtx fp16"]
