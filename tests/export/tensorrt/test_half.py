from functools import cache

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from miniseg_edge.architecture import Architecture
from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.graph.forms import BLOCKED, DIRECT, PACKED, Form
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, onnx_from_graph
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.kept import kept_in_fp32
from miniseg_edge.export.tensorrt.stand_in import rounded_to_half
from miniseg_edge.slices.preprocessing import FloatArray, Window
from miniseg_edge.tensors import GraphInterface, TensorSpec
from tests.conftest import STATISTICS, random_network

SIZE = (32, 48)
GREY_TO_LOGIT = GraphInterface()
TINY = Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0))


@cache
def single(interface: GraphInterface = GREY_TO_LOGIT, form: Form = DIRECT) -> tuple[OnnxModel, TensorSpec, TensorSpec]:
    """An FP32 ONNX of a small network, and what it takes and gives."""
    feeding = Feeding(STATISTICS, interface, Window(-1250.0, 250.0))
    graph = rewritten(random_network(TINY, 5), feeding, form, SIZE)
    input_, output = interface.input(SIZE), interface.output(SIZE, 2)
    return onnx_from_graph(graph, input_, output, size=SIZE), input_, output


def weights(model: OnnxModel) -> dict[str, npt.NDArray[np.generic]]:
    return {w.name: numpy_helper.to_array(w) for w in onnx.load_from_string(model.data).graph.initializer}


def elementwise(constant: float) -> OnnxModel:
    """(x + constant) - constant, in a block that goes to FP16."""
    value = helper.make_tensor("constant", TensorProto.FLOAT, [], [constant])
    nodes = [
        helper.make_node("Add", ["slice", "constant"], ["sum"], name="level1/Add"),
        helper.make_node("Sub", ["sum", "constant"], ["logit"], name="level1/Sub"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4, 4]) for name in ("slice", "logit")]
    graph = helper.make_graph(nodes, "elementwise", ends[:1], ends[1:], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return OnnxModel(model.SerializeToString(), 2)


def run(data: bytes, values: FloatArray) -> FloatArray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: FloatArray = session.run(None, {"slice": values})[0]
    return found


ENDS = TensorSpec("slice", (1, 1, 4, 4), "float32", ""), TensorSpec("logit", (1, 1, 4, 4), "float32", "")


@pytest.mark.parametrize(
    "form",
    [DIRECT, pytest.param(PACKED, marks=pytest.mark.slow), pytest.param(BLOCKED, marks=pytest.mark.slow)],
    ids=lambda form: form.name,
)
def test_every_node_is_in_half_but_those_that_are_kept(form: Form) -> None:
    half = half_from_onnx(*single(form=form))
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(half.data), strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in (*model.graph.value_info, *model.graph.output)}
    wanted = {True: TensorProto.FLOAT, False: TensorProto.FLOAT16}
    seen = set()
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "PRelu", "Add", "Sigmoid", "Mul"):
            assert types[node.output[0]] == wanted[kept_in_fp32(node.name)], node.name
            seen.add(kept_in_fp32(node.name))
    assert seen == {True, False}


def test_the_input_reaches_the_normalisation_unrounded() -> None:
    half = half_from_onnx(*single())
    first = onnx.load_from_string(half.data).graph.node[0]
    assert (first.op_type, first.input[0]) == ("Mul", "slice")


def test_weights_are_rounded_to_nearest_and_none_is_left_twice() -> None:
    model, input_, output = single()
    before, after = weights(model), weights(half_from_onnx(model, input_, output))
    name = "first.conv.weight"
    np.testing.assert_array_equal(after[f"{name}_as_half"], before[name].astype(np.float16))
    assert name not in after


@pytest.mark.parametrize(
    "interface",
    [
        pytest.param(GraphInterface(dynamic_batch=True, dynamic_size=True), marks=pytest.mark.slow),
        GraphInterface(values="hu", result="mask"),
    ],
)
def test_every_way_to_feed_a_graph_converts_and_stays_near(interface: GraphInterface) -> None:
    model, input_, output = single(interface)
    half = half_from_onnx(model, input_, output)
    values = np.random.default_rng(1).uniform(-200, 255, (1, interface.channels, *SIZE)).astype(np.float32)
    exact, rounded = run(model.data, values), run(rounded_to_half(half.data), values)
    if interface.result == "mask":
        assert (exact != rounded).mean() < 0.02
    else:
        assert 0 < np.abs(exact - rounded).max() < 0.1


@pytest.mark.parametrize("constant", [1.0, 300.0, 2048.0, 30000.0])
def test_the_stand_in_computes_what_half_precision_gives(constant: float) -> None:
    half = half_from_onnx(elementwise(constant), *ENDS)
    values = np.random.default_rng(2).uniform(0, 9, (1, 1, 4, 4)).astype(np.float32)
    rounded, offset = values.astype(np.float16), np.float16(constant)
    expected = ((rounded + offset).astype(np.float16) - offset).astype(np.float16)
    np.testing.assert_array_equal(run(rounded_to_half(half.data), values), expected.astype(np.float32))


def test_the_stand_in_of_an_fp32_model_is_that_model() -> None:
    model, *_ = single()
    values = np.random.default_rng(3).uniform(0, 255, (1, 1, *SIZE)).astype(np.float32)
    np.testing.assert_array_equal(run(rounded_to_half(model.data), values), run(model.data, values))


def test_a_weight_beyond_half_precision_is_refused() -> None:
    with pytest.raises(ExportError, match="beyond FP16"):
        half_from_onnx(elementwise(70000.0), *ENDS)
