"""Engines, built for real by TensorRT for RTX; it needs no GPU for that."""

from dataclasses import replace
from functools import cache

import onnx
import pytest

from miniseg_edge.architecture import PRESETS
from miniseg_edge.bundle.compiled import ShapeRange
from miniseg_edge.errors import ExportError, IncompatibleError, MiniSegError, UsageError
from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.graph.forms import DIRECT
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, onnx_from_graph
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.export.tensorrt.engine_files import LARGEST_SIDE, MOST_SLICES
from miniseg_edge.export.tensorrt.engine_from_onnx import EngineTask, engine_from_onnx
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, COMPUTE_CAPABILITIES, EngineOptions
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX
from miniseg_edge.tensors import GraphInterface, TensorSpec
from tests.conftest import STATISTICS, random_network
from tests.export.tensorrt.test_half import ENDS, elementwise, single

trt = pytest.importorskip("tensorrt_rtx_bindings")


def task(precision: str = "fp32") -> EngineTask:
    model, input_, output = single()
    typed = half_from_onnx(model, input_, output) if precision == "fp16" else model
    return EngineTask(typed.data, precision, input_, output)


def test_an_engine_says_how_it_was_built() -> None:
    said: list[str] = []
    built = engine_from_onnx(TENSORRT_RTX, task(), BY_DEFAULT, said.append)
    assert len(built.data) > 100_000
    assert "TF32" not in built.flags
    assert set(built.network_precisions) == {"fp32"}
    assert any("1 of" in words for words in said), "progress was shown"


def test_tf32_is_on_only_if_asked_for() -> None:
    built = engine_from_onnx(TENSORRT_RTX, task(), EngineOptions(tf32=True), lambda said: None)
    assert "TF32" in built.flags


def test_half_precision_reaches_the_vendors_network() -> None:
    found = engine_from_onnx(TENSORRT_RTX, task("fp16"), BY_DEFAULT, lambda said: None).network_precisions
    assert found["fp16"] > 5 * found["fp32"] > 0


def test_an_fp32_model_is_never_built_under_the_name_of_fp16() -> None:
    with pytest.raises(ExportError, match=r"not in the requested precision.*first.conv"):
        engine_from_onnx(TENSORRT_RTX, replace(task(), precision="fp16"), BY_DEFAULT, lambda said: None)


def test_an_fp16_model_is_never_built_under_the_name_of_fp32() -> None:
    with pytest.raises(ExportError, match="not in the requested precision"):
        engine_from_onnx(TENSORRT_RTX, replace(task("fp16"), precision="fp32"), BY_DEFAULT, lambda said: None)


def test_other_inputs_than_the_manifests_are_refused() -> None:
    found = task()
    with pytest.raises(ExportError, match="inputs or outputs"):
        engine_from_onnx(TENSORRT_RTX, replace(found, input=found.output), BY_DEFAULT, lambda said: None)


@pytest.mark.parametrize(
    ("data", "error"), [(b"", ExportError), (b"nonsense", IncompatibleError), (b"\x08\x0a", ExportError)]
)
def test_what_the_vendor_cannot_read_is_a_typed_error_with_its_reason(data: bytes, error: type[MiniSegError]) -> None:
    with pytest.raises(error):
        engine_from_onnx(TENSORRT_RTX, replace(task(), onnx=data), BY_DEFAULT, lambda said: None)


def test_what_the_vendor_does_not_know_is_named() -> None:
    model = onnx.load_from_string(elementwise(1.0).data)
    model.graph.node[0].op_type, model.graph.node[0].domain = "Imaginary", "elsewhere"
    with pytest.raises(ExportError, match="Imaginary"):
        engine_from_onnx(
            TENSORRT_RTX, EngineTask(model.SerializeToString(), "fp32", *ENDS), BY_DEFAULT, lambda said: None
        )


def test_hopper_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"SM75, SM80, SM86, SM89, SM120.*SM90"):
        engine_from_onnx(TENSORRT_RTX, task(), EngineOptions(compute_capabilities=(90,)), lambda said: None)


def test_our_list_of_compute_capabilities_is_the_vendors() -> None:
    assert {f"SM{n}" for n in COMPUTE_CAPABILITIES} == {n for n in trt.ComputeCapability.__members__ if n[:2] == "SM"}


@cache
def exported(preset: str, *, dynamic: bool) -> tuple[OnnxModel, TensorSpec, TensorSpec]:
    size, interface = (512, 512), GraphInterface(dynamic_batch=dynamic, dynamic_size=dynamic)
    input_, output = interface.input(size), interface.output(size, 2)
    graph = rewritten(random_network(PRESETS[preset], 6), Feeding(STATISTICS, interface), DIRECT, size)
    return onnx_from_graph(graph, input_, output, size=(64, 64)), input_, output


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_built_for_every_compute_capability(preset: str, precision: str) -> None:
    """Of fixed and of free shapes."""
    dynamic = preset == "miniseg-83k"
    model, input_, output = exported(preset, dynamic=dynamic)
    typed = half_from_onnx(model, input_, output) if precision == "fp16" else model
    largest = (MOST_SLICES, 1, LARGEST_SIDE, LARGEST_SIDE)
    shapes = ShapeRange((1, 1, 16, 16), (1, 1, 512, 512), largest) if dynamic else None
    wanted = EngineTask(typed.data, precision, input_, output, shapes)
    for named in ((), COMPUTE_CAPABILITIES):  # Ampere and later, and one engine for every GPU that the vendor knows
        built = engine_from_onnx(TENSORRT_RTX, wanted, EngineOptions(named), lambda said: None)
        assert len(built.data) > 2 * 80_000
