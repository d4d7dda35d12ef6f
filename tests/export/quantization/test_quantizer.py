"""A small network, quantized for real, on real backends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.manifest import Manifest, PrecisionShare
from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.artifacts import onnx_of
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import BuiltArtifact, Source
from miniseg_edge.export.builders.proof import check_int8
from miniseg_edge.export.graph.deployment_graph import Feeding, graph_from_checkpoint
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.equalisation import branches_of, equalised
from miniseg_edge.export.quantization.groups import groups_of
from miniseg_edge.export.quantization.observation import observed
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.scheme import CPUS, TENSOR_CORES
from miniseg_edge.export.targets import target_named
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.preprocessing import FloatArray, network_input
from miniseg_edge.tensors import GraphInterface
from miniseg_edge.training.checkpoint import checkpoint_from_file, save_checkpoint
from tests.bundles import small_manifest
from tests.conftest import STATISTICS, random_network

SIZE = (64, 64)
SLICES = [network_input(p.image.astype(np.float32), SIZE) for p in phantoms(6, first_seed=50, size=SIZE)]
INPUT, OUTPUT = GraphInterface().input(SIZE), GraphInterface().output(SIZE, 2)


def manifest() -> Manifest:
    """Of a bundle of this size, as far as building needs it."""
    found = small_manifest()
    preprocessing = type(found.preprocessing)(**{**vars(found.preprocessing), "size": SIZE})
    return type(found)(**{**vars(found), "preprocessing": preprocessing, "input": INPUT, "output": OUTPUT})


OPENVINO = Build("openvino", "int8")


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    """Every kind of layer once or twice, in FP32."""
    path = tmp_path_factory.mktemp("int8") / "small.pth"
    save_checkpoint(random_network(Architecture((8, 24, 32, 32), (1, 1, 1, 1), (1, 1, 1, 1)), 4), STATISTICS, path)
    graph = graph_from_checkpoint(checkpoint_from_file(path), Feeding(STATISTICS, GraphInterface(), None))
    return onnx_of(graph, manifest(), target_named("openvino").form("int8"))[0]


@pytest.fixture(scope="module")
def quantizer(exact: OnnxModel) -> Quantizer:
    return Quantizer.of(exact, SLICES, CPUS, grey=True)


@pytest.fixture(scope="module")
def whole(quantizer: Quantizer) -> OnnxModel:
    return quantizer.quantized(tuple(quantizer.groups), INPUT, OUTPUT)


def built(model: OnnxModel) -> BuiltArtifact:
    return target_named(OPENVINO.target).builder().built(Source.of_onnx(model, 0, manifest()), OPENVINO)


def shares_of(artifact: BuiltArtifact, build: Build) -> tuple[PrecisionShare, ...]:
    return target_named(build.target).builder().shares(artifact, manifest(), build)


def by_openvino(model: OnnxModel, values: FloatArray = SLICES[0]) -> FloatArray:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled({0: values})[0])


def by_onnxruntime(model: OnnxModel, values: FloatArray = SLICES[0]) -> FloatArray:
    found = onnx.load_from_string(model.data)
    return np.asarray(ort.InferenceSession(model.data).run(None, {found.graph.input[0].name: values})[0])


def rms(a: FloatArray, b: FloatArray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)) / np.ptp(b))


def test_equalised_is_the_same_function_with_other_weights(exact: OnnxModel) -> None:
    before = onnx.load_from_string(exact.data)
    after, _ = equalised(before, observed(before, branches_of(before), (), SLICES).together())
    assert rms(by_onnxruntime(OnnxModel(after.SerializeToString(), 0)), by_onnxruntime(exact)) < 1e-6
    changed = constants_of(after).keys() - constants_of(before).keys()
    assert sum("fuse" in name for name in changed) == len(groups_of(before)["fuse-2"]) * 3
    assert any("attention" in name for name in changed), "what reads the branches in another order is followed"


def test_every_group_of_the_network_is_found(quantizer: Quantizer) -> None:
    kinds = {group.split("-")[0] for group in quantizer.groups}
    assert kinds == {"first", "stage", "exchange", "entries", "gates", "fuse", "decoder"}


def test_both_backends_stay_near_the_exact_graph(exact: OnnxModel, whole: OnnxModel) -> None:
    wanted = by_onnxruntime(exact)
    assert 0 < rms(by_openvino(whole), wanted) < 0.03
    assert 0 < rms(by_onnxruntime(whole), wanted) < 0.03


def test_every_quantized_convolution_runs_in_int8_and_the_others_do_not(quantizer: Quantizer) -> None:
    for groups in (tuple(quantizer.groups), ("fuse-3",)):
        files = built(quantizer.quantized(groups, INPUT, OUTPUT))
        shares = shares_of(files, OPENVINO)
        wanted = sum(len(quantizer.groups[group]) for group in groups)
        check_int8(shares, wanted)
        assert next(share.convolutions for share in shares if share.precision == "int8") == wanted
        assert sum(share.time_share for share in shares) == pytest.approx(1)


def test_a_graph_in_fp32_is_no_int8(exact: OnnxModel) -> None:
    shares = shares_of(built(exact), OPENVINO)
    with pytest.raises(ExportError, match="does not run in INT8"):
        check_int8(shares, 1)
    assert shares_of(built(exact), Build("onnx", "int8")) == ()


def test_what_is_left_alone_is_as_it_was(quantizer: Quantizer, exact: OnnxModel) -> None:
    some = onnx.load_from_string(quantizer.quantized(("gates-2",), INPUT, OUTPUT).data)
    quantizers = [node for node in some.graph.node if node.op_type == "QuantizeLinear"]
    assert 1 <= len(quantizers) <= len(quantizer.groups["gates-2"])
    weights = constants_of(some)
    integers = [w for w in weights.values() if w.dtype == np.int8 and w.ndim == 4]
    assert len(integers) == len(quantizer.groups["gates-2"])
    assert all(np.abs(w.astype(int)).max() <= CPUS.largest for w in integers)
    assert rms(by_onnxruntime(OnnxModel(some.SerializeToString(), 0)), by_onnxruntime(exact)) < 0.02


def test_grey_bytes_reach_the_first_layer_without_rounding(quantizer: Quantizer) -> None:
    model = onnx.load_from_string(quantizer.quantized(("first",), INPUT, OUTPUT).data)
    constants = constants_of(model)
    steps = [constants[n.input[1]] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert steps
    every = np.arange(256, dtype=np.float32)
    assert all(
        np.array_equal(np.round(every / step), every) and np.abs(every * step - every).max() < 0.01 for step in steps
    )


@pytest.mark.slow
def test_the_same_slices_give_the_same_bytes(exact: OnnxModel, whole: OnnxModel) -> None:
    again = Quantizer.of(exact, SLICES, CPUS, grey=True)
    assert again.quantized(tuple(again.groups), INPUT, OUTPUT).data == whole.data


@pytest.mark.slow
def test_tensor_cores_get_other_integers_of_the_same_network(exact: OnnxModel, quantizer: Quantizer) -> None:
    other = Quantizer.of(exact, SLICES, TENSOR_CORES, grey=True)
    assert not any(name.startswith(TENSOR_CORES.left_alone) for name in other.convolutions(tuple(other.groups)))
    assert other.convolutions(("fuse-2",)) == quantizer.convolutions(("fuse-2",)) == other.groups["fuse-2"]
    found = other.quantized(tuple(other.groups), INPUT, OUTPUT)
    model = onnx.load_from_string(found.data)
    constants = constants_of(model)
    quantizers = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert {str(constants[node.input[2]].dtype) for node in quantizers} == {"int8"}
    assert not any(constants[node.input[2]].any() for node in quantizers)
    assert max(np.abs(w.astype(int)).max() for w in constants.values() if w.dtype == np.int8) == TENSOR_CORES.largest
    assert 0 < rms(by_onnxruntime(found), by_onnxruntime(exact)) < 0.03


@pytest.mark.parametrize("groups", [(), ("everything",), ("fuse-2", "fuse-9")], ids=str)
def test_groups_that_are_not_there_are_refused(quantizer: Quantizer, groups: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="cannot be quantized"):
        quantizer.quantized(groups, INPUT, OUTPUT)


def test_no_slice_is_refused(exact: OnnxModel) -> None:
    with pytest.raises(UsageError, match="nothing to calibrate on"):
        Quantizer.of(exact, [], CPUS, grey=True)


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE"])
def test_cpus_without_vnni_give_the_same(whole: OnnxModel, tmp_path: Path, isa: str) -> None:
    """Without VNNI sums of products are made in 16 bits; with weights over their whole range they would overflow."""
    (tmp_path / "model.onnx").write_bytes(whole.data)
    np.save(tmp_path / "slice.npy", SLICES[0])
    script = (
        "import sys, numpy, openvino; folder = sys.argv[1];"
        "found = openvino.compile_model(f'{folder}/model.onnx', 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})"
        "({0: numpy.load(f'{folder}/slice.npy')})[0]; numpy.save(f'{folder}/logits.npy', found)"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    assert rms(np.load(tmp_path / "logits.npy"), by_openvino(whole)) < 0.005
