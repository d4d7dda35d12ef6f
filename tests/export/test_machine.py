from pathlib import Path

import openvino
import pytest

from miniseg_edge.errors import IncompatibleError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.machine import runnable
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.runtimes.openvino import has_bf16

WITHOUT = pytest.mark.skipif(has_bf16(), reason="this CPU has BF16")


def test_bf16_is_there_where_a_compiled_model_keeps_it() -> None:
    parameter = openvino.op.Parameter(openvino.Type.f32, openvino.Shape([1]))
    model = openvino.Model([openvino.op.Result(parameter.output(0))], [parameter])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    assert has_bf16() == (compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16")


@WITHOUT
def test_bf16_is_refused_before_any_work_where_the_cpu_has_none(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("onnx", "openvino"), ("fp32", "bf16"))
    with pytest.raises(IncompatibleError, match="no BF16"):
        export_bundle(request)


@WITHOUT
def test_auto_goes_on_without_it(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("openvino",), ("fp32", "bf16"), auto=True)
    assert runnable(request).precisions == ("fp32",)


def test_what_has_no_bf16_is_left_as_it_is(tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "no.pth", tmp_path / "out", ("onnx", "openvino"), ("fp32",))
    assert runnable(request) is request
