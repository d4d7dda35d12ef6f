import sys
from dataclasses import replace
from pathlib import Path

import openvino
import pytest

from miniseg_edge.errors import IncompatibleError, MissingDependencyError, RuntimeUnavailableError
from miniseg_edge.export.build import Build
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.plan import builds_here
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.tensorrt import engine_files
from miniseg_edge.host import dependencies
from miniseg_edge.host.dependencies import installed
from miniseg_edge.runtimes.backends.openvino import has_bf16
from miniseg_edge.runtimes.backends.tensorrt import vendors
from tests.conftest import has_gpu

CPUINFO = Path("/proc/cpuinfo")
WITHOUT = pytest.mark.skipif(has_bf16(), reason="this CPU has BF16")


@pytest.mark.skipif(not CPUINFO.is_file(), reason="only Linux says what the processor has")
def test_bf16_is_there_where_the_processor_has_it() -> None:
    """A compiled model does not tell: on AVX-512 without BF16 OpenVINO keeps the hint and converts by software."""
    flags = next(line for line in CPUINFO.read_text().splitlines() if line.startswith(("flags", "Features"))).split()
    assert has_bf16() == bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))


def test_a_compiled_model_keeps_bf16_where_it_is_there() -> None:
    parameter = openvino.op.Parameter(openvino.Type.f32, openvino.Shape([1]))
    model = openvino.Model([openvino.op.Result(parameter.output(0))], [parameter])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    assert not has_bf16() or compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"


@WITHOUT
def test_bf16_is_refused_before_any_work_where_the_cpu_has_none(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("onnx", "openvino"), ("fp32", "bf16"))
    with pytest.raises(IncompatibleError, match="no BF16"):
        export_bundle(request)


@WITHOUT
def test_auto_goes_on_without_it(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("openvino",), ("fp32", "bf16"), auto=True)
    assert builds_here(request) == (Build("openvino", "fp32"),)


def test_what_has_no_bf16_is_left_as_it_is(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("onnx", "openvino"), ("fp32",))
    assert builds_here(request) == request.builds


@pytest.mark.parametrize("target", ["onnx", "trt-rtx"])
def test_what_onnx_runtime_judges_needs_it_before_any_work(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target == "trt-rtx":
        pytest.importorskip("tensorrt_rtx_bindings")
    monkeypatch.setattr(dependencies, "installed", lambda package: package != "onnxruntime")
    with pytest.raises(MissingDependencyError, match=r"no onnxruntime.*pip install \"miniseg-edge\[onnxruntime\]\""):
        export_bundle(ExportRequest(tmp_path / "no.pth", tmp_path / "out", (target,)))


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_nobody_is_sent_for_tensorrt_where_there_is_no_gpu(tmp_path: Path, precision: str) -> None:
    with pytest.raises(
        RuntimeUnavailableError, match=r"no usable NVIDIA GPU.*--target native or openvino.*--target trt-rtx"
    ):
        export_bundle(request_for_trt(tmp_path, precision))


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no driver")
def test_a_missing_driver_is_seen_without_any_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(RuntimeUnavailableError, match="no usable NVIDIA GPU: no NVIDIA driver"):
        export_bundle(request_for_trt(tmp_path, "fp16"))


@pytest.mark.skipif(installed("tensorrt"), reason="what happens where there is no TensorRT")
def test_where_a_driver_is_an_engine_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    monkeypatch.setattr(engine_files, "has_driver", lambda: True)
    with pytest.raises(MissingDependencyError, match="tensorrt cannot be imported"):
        export_bundle(request_for_trt(tmp_path, "fp16"))


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_an_engine_that_is_built_on_a_gpu_needs_one_before_any_work(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    here = replace(vendors.TENSORRT, modules=("tensorrt_rtx_bindings",))
    monkeypatch.setattr(vendors, "VENDORS", (here, vendors.TENSORRT_RTX))
    with pytest.raises(
        RuntimeUnavailableError, match=r"no usable NVIDIA GPU.*--target trt-rtx.*--rebuild BUNDLE --target trt"
    ):
        export_bundle(request_for_trt(tmp_path, precision))


def request_for_trt(folder: Path, precision: str) -> ExportRequest:
    calibration = folder if precision == "int8" else None
    return ExportRequest(folder / "no.pth", folder / "out", ("trt",), (precision,), calibration=calibration)
