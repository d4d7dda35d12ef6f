"""INT8 for TensorRT as far as its builder: the ONNX, what a vendor's parser makes of it, and the masks by the ONNX."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.compiled import ARTEFACT, SOURCE
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.command import main
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.groups import WIDE, group_of
from miniseg_edge.export.quantization.search.plan import QuantizationPlan, plan_from_file
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.tensorrt.engine_from_onnx import EngineTask, engine_from_onnx
from miniseg_edge.export.tensorrt.kept import kept_in_fp32
from miniseg_edge.export.tensorrt.options import BY_DEFAULT
from miniseg_edge.export.tensorrt.rebuild import rebuilt
from miniseg_edge.export.tensorrt.stand_in import stand_in
from miniseg_edge.parity.comparison import DEFAULT_LIMITS
from miniseg_edge.parity.metrics import dice
from miniseg_edge.phantoms import phantoms
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord, engine_of
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX
from tests.export.tensorrt.conftest import DEMO, trt_by_rtx

pytestmark = pytest.mark.slow

WIDE_GROUPS = ("gates-2", "fuse-2", "gates-3", "fuse-3", "exchange-4", "gates-4", "fuse-4", "entries-4")


@pytest.fixture(scope="module")
def bundle(int8_bundle_path: Path) -> Bundle:
    return open_bundle(int8_bundle_path)


@pytest.fixture(scope="module")
def artifact(bundle: Bundle) -> Artifact:
    found = bundle.manifest.artifact("trt", "int8")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def record(artifact: Artifact) -> EngineRecord:
    return engine_of(artifact)


@pytest.fixture(scope="module")
def model(bundle: Bundle, record: EngineRecord) -> onnx.ModelProto:
    return onnx.load_from_string(bundle.contents[record.onnx])


def task(bundle: Bundle, record: EngineRecord) -> EngineTask:
    manifest = bundle.manifest
    data = bundle.contents[record.onnx]
    return EngineTask(data, "int8", manifest.input, manifest.output, quantized=record.quantized)


def makers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((found.i for found in node.attribute if found.name == name), default)


def of_kind(model: onnx.ModelProto, *kinds: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in kinds]


def weights_of(model: onnx.ModelProto, node: onnx.NodeProto) -> npt.NDArray[np.generic]:
    """A convolution's, be they integers or not."""
    constants = constants_of(model)
    source = node.input[1]
    return constants[source] if source in constants else constants[makers(model)[source].input[0]]


def test_the_manifest_says_what_was_quantized_and_how_it_was_chosen(bundle: Bundle, artifact: Artifact) -> None:
    assert (artifact.form, artifact.files[0]) == ("direct", "trt-int8/model.engine")
    assert artifact.quantization is not None
    assert artifact.quantization.groups == WIDE_GROUPS
    assert artifact.quantization.plan == "quantization/plan-trt.json"
    assert len(artifact.quantization.calibration) == 12
    assert engine_of(artifact).judged_on == SOURCE
    assert b"by rule, no speed was measured" in bundle.contents["quantization/plan-trt.json"]
    assert {group_of(name) for name in engine_of(artifact).quantized} == set(WIDE_GROUPS)


def test_the_onnx_is_valid(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)


def test_every_quantizer_is_symmetric_int8_with_steps_in_fp16(model: onnx.ModelProto) -> None:
    constants = constants_of(model)
    quantizers = of_kind(model, "QuantizeLinear", "DequantizeLinear")
    assert {node.op_type for node in quantizers} == {"QuantizeLinear", "DequantizeLinear"}
    for node in quantizers:
        step, zero = constants[node.input[1]], constants[node.input[2]]
        assert zero.dtype == np.int8, "which is also what it dequantizes: no int32 biases"
        assert not zero.any()
        assert step.dtype == np.float16
        assert np.isfinite(step).all()
        assert (step > 0).all()


def test_values_have_one_step_and_weights_one_for_each_output_channel(model: onnx.ModelProto) -> None:
    constants = constants_of(model)
    for node in of_kind(model, "QuantizeLinear", "DequantizeLinear"):
        if node.input[0] not in constants:
            assert constants[node.input[1]].shape == ()
            continue
        integers = constants[node.input[0]]
        assert (node.op_type, attribute(node, "axis", 1)) == ("DequantizeLinear", 0)
        assert integers.dtype == np.int8
        assert constants[node.input[1]].shape == integers.shape[:1]
        assert -127 <= integers.min() <= integers.max() <= 127
        assert np.abs(integers.astype(int)).max() > 63, "tensor cores take the full range"


def test_a_quantized_convolution_reads_integers_twice_and_has_a_float_bias(
    model: onnx.ModelProto, record: EngineRecord
) -> None:
    made_by, constants, found = makers(model), constants_of(model), []
    for node in of_kind(model, "Conv"):
        sources = [made_by.get(name) for name in node.input[:2]]
        dequantized = [source is not None and source.op_type == "DequantizeLinear" for source in sources]
        assert len(set(dequantized)) == 1, "both or neither"
        if all(dequantized):
            found.append(node.name)
            assert sources[0] is not None
            assert made_by[sources[0].input[0]].op_type == "QuantizeLinear"
            assert constants[node.input[2]].dtype == np.float16
    assert sorted(found) == sorted(record.quantized)


def test_what_is_quantized_is_wide_and_dense_and_the_rest_is_fp16(model: onnx.ModelProto, record: EngineRecord) -> None:
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*known.value_info, *known.output)}
    for node in of_kind(model, "Conv", "ConvTranspose"):
        if node.name in record.quantized:
            assert min(weights_of(model, node).shape[:2]) >= WIDE
            assert attribute(node, "group", 1) == 1
        wanted = TensorProto.FLOAT if kept_in_fp32(node.name) else TensorProto.FLOAT16
        assert types[node.output[0]] == wanted, node.name


def test_on_phantoms_it_draws_the_lesion(bundle: Bundle, artifact: Artifact) -> None:
    limits, slices = DEFAULT_LIMITS["int8"], [p.image for p in phantoms(8, first_seed=9100, size=(128, 128))]
    with (
        miniseg_edge.load(bundle, "torch") as reference,
        miniseg_edge.load(stand_in(bundle, artifact), "onnxruntime", precision="int8") as segmenter,
    ):
        wanted = [reference.segment(one).mask for one in slices]
        each = [dice(segmenter.segment(one).mask, mask) for one, mask in zip(slices, wanted, strict=True)]
    assert all(mask.any() for mask in wanted)
    assert np.mean(each) >= limits.min_dice_mean
    assert min(each) >= limits.min_dice_worst
    assert min(each) < 1, "it is INT8 that ran"


def test_a_vendors_parser_reads_int8_convolutions_into_a_strongly_typed_network(
    bundle: Bundle, record: EngineRecord
) -> None:
    """TensorRT for RTX's, and its builder goes through with it; it has no INT8 convolutions to run the result with."""
    built = engine_from_onnx(TENSORRT_RTX, task(bundle, record), BY_DEFAULT, lambda said: None)
    assert built.network_precisions["int8"] > len(record.quantized), "weights, and quantizers of values"
    assert built.network_precisions == record.network_precisions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantized": ()}, "int8.*none is quantized"),
        ({"quantized": ("nobody/Conv",)}, "nobody/Conv: not there"),
        ({"precision": "fp16", "quantized": ()}, "fuse.*: int8"),
        ({"precision": "fp32"}, "fp16"),
    ],
)
def test_what_was_quantized_and_what_was_parsed_must_agree(
    bundle: Bundle, record: EngineRecord, change: dict[str, object], message: str
) -> None:
    wanted = replace(task(bundle, record), **change)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match=f"not in the requested precision.*{message}"):
        engine_from_onnx(TENSORRT_RTX, wanted, BY_DEFAULT, lambda said: None)


def test_no_convolution_is_silently_left_in_fp16(bundle: Bundle, record: EngineRecord, model: onnx.ModelProto) -> None:
    """Quantized weights alone: the convolution itself would be FP16."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    victim = next(node for node in changed.graph.node if node.name == record.quantized[0])
    made_by = makers(changed)
    victim.input[0] = made_by[made_by[victim.input[0]].input[0]].input[0]  # what was quantized
    wanted = replace(task(bundle, record), onnx=changed.SerializeToString())
    with pytest.raises(ExportError, match=f"{victim.name}: fp16"):
        engine_from_onnx(TENSORRT_RTX, wanted, BY_DEFAULT, lambda said: None)


def test_it_is_rebuilt_with_the_same_convolutions(bundle: Bundle, artifact: Artifact) -> None:
    with trt_by_rtx():
        again = rebuilt(bundle, artifact, "trt", lambda said: None).manifest.artifact("trt", "int8")
    assert again is not None
    assert again.compiled == artifact.compiled
    assert again.quantization == artifact.quantization


def test_it_is_not_rebuilt_for_a_library_without_int8(
    int8_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--rebuild", str(int8_bundle_path), "--target", "trt-rtx"]) == 2
    assert "in a precision that the target has" in capsys.readouterr().err


def plan_of(path: Path, *groups: str) -> Path:
    path.write_text(json_from_record(QuantizationPlan(1, groups, 0, "by hand", "", ())))
    return path


def test_a_plan_goes_before_the_rule_and_the_cpus_plan_lies_beside_it(
    tiny_checkpoint_path: Path, int8_bundle_path: Path, tmp_path: Path
) -> None:
    """The tiny network's masks hang on rounding, so any will do; what is looked at is what was built."""
    words = ["--target", "onnx", "--target", "trt", "--precision", "int8", "--input-size", "128", "128"]
    words += ["--calibration", str(int8_bundle_path.parent / "slices")]
    words += ["--quantization", str(plan_of(tmp_path / "plan.json", "first", "decoder"))]
    words += ["--graph-input", "hu", "--graph-output", "mask", "--window", "-1250", "250"]
    words += ["--min-dice-mean", "0", "--min-dice-worst", "0", "--max-tiny-changes", "16384"]
    with trt_by_rtx():
        assert main([str(tiny_checkpoint_path), *words, "--output", str(tmp_path / "out")]) == 0
    found = open_bundle(tmp_path / "out")
    engine, on_cpus = found.manifest.artifact("trt", "int8"), found.manifest.artifact("onnx", "int8")
    assert engine is not None
    assert on_cpus is not None
    assert {group_of(name) for name in engine_of(engine).quantized} == {"first", "decoder"}
    assert not [name for name in engine_of(engine).quantized if kept_in_fp32(name)], "the logits stay in FP32"
    for one in (engine, on_cpus):
        assert one.quantization is not None
        plan = plan_from_file(tmp_path / "out" / one.quantization.plan)
        assert plan.groups == one.quantization.groups == ("first", "decoder")
    kinds = {w.data_type for w in onnx.load_from_string(found.contents["onnx-int8/model.onnx"]).graph.initializer}
    assert TensorProto.UINT8 in kinds, "the CPUs' integers are still theirs"


def test_a_network_without_wide_groups_is_refused(
    tiny_checkpoint_path: Path, int8_bundle_path: Path, tmp_path: Path
) -> None:
    slices = int8_bundle_path.parent / "slices"
    request = ExportRequest(
        tiny_checkpoint_path, tmp_path / "out", ("trt",), ("int8",), size=(64, 64), calibration=slices
    )
    with trt_by_rtx(), pytest.raises(UsageError, match=r"too narrow.*--quantization FILE"):
        export_bundle(request)
    assert not (tmp_path / "out").exists()


@pytest.mark.gpu
def test_tensorrt_itself_builds_it_and_draws_the_lesion(int8_bundle_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt")
    words = ["--target", "trt", "--precision", "int8", "--calibration", str(int8_bundle_path.parent / "slices")]
    words += ["--input-size", "128", "128", "--output", str(tmp_path / "out")]
    assert main([str(DEMO), *words]) == 0
    artifact = open_bundle(tmp_path / "out").manifest.artifact("trt", "int8")
    assert artifact is not None
    assert engine_of(artifact).judged_on == ARTEFACT
    precisions = engine_of(artifact).engine_precisions
    assert precisions is not None
    assert precisions["int8"] > 0
