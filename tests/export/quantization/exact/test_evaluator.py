"""Whole graphs against ONNX Runtime, and what must not change a bit."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.forms import BLOCKED, DIRECT, PACKED, Form
from miniseg_edge.export.quantization.exact.evaluator import Evaluator
from miniseg_edge.export.quantization.exact.operators import Array
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.scheme import CPUS
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.tensors import HU, MASK, GraphInterface
from tests.export.quantization.by_hand import graph_by_hand, inputs
from tests.export.quantization.networks import SIZE, graph


def ours(model: onnx.ModelProto, value: FloatArray, *tensors: str) -> dict[str, Array]:
    found: dict[str, Array] = {}
    Evaluator(model, tensors or [model.graph.output[0].name])(value, found.__setitem__)
    return found


def theirs(model: onnx.ModelProto, value: FloatArray) -> Array:
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(None, {model.graph.input[0].name: value})[0])


def check_logits(model: onnx.ModelProto, value: FloatArray) -> None:
    (found,), wanted = ours(model, value).values(), theirs(model, value)
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 2e-5 * np.ptp(wanted)


def test_logits_are_a_runtimes_to_its_own_precision() -> None:
    check_logits(onnx.load_from_string(graph_by_hand().data), inputs(1)[0])


@pytest.mark.slow
@pytest.mark.parametrize("form", [DIRECT, PACKED, BLOCKED], ids=lambda form: form.name)
@pytest.mark.parametrize("size", [(64, 64), (83, 67)], ids=str)
def test_so_are_those_of_exported_graphs(form: Form, size: tuple[int, int]) -> None:
    check_logits(onnx.load_from_string(graph(form, size).data), inputs(1, size)[0])


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_masks_of_hu_are_a_runtimes(classes: int) -> None:
    interface = GraphInterface(values=HU, result=MASK)
    model = onnx.load_from_string(graph(DIRECT, interface=interface, classes=classes).data)
    value = inputs(1, SIZE)[0] * np.float32(6) - np.float32(1250)
    (found,), wanted = ours(model, value).values(), theirs(model, value)
    assert found.dtype == np.uint8
    assert len(np.unique(wanted)) == classes
    assert np.mean(found != wanted) < 1e-3


def test_int8_is_a_runtimes_but_for_values_halfway_between_two_integers() -> None:
    quantizer = Quantizer.of(graph_by_hand(), inputs(4), CPUS, grey=True)
    model = quantizer.model(tuple(quantizer.groups))
    (found,), wanted = ours(model, inputs(1)[0]).values(), theirs(model, inputs(1)[0])
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.01 * np.ptp(wanted)


def test_what_is_watched_is_shown_and_no_more_than_that_takes_is_run() -> None:
    model = onnx.load_from_string(graph_by_hand().data)
    early, late = model.graph.node[3].output[0], model.graph.node[12].output[0]
    whole = ours(model, inputs(1)[0], early, late, model.graph.output[0].name)
    assert set(whole) == {early, late, model.graph.output[0].name}
    model.graph.node[20].ClearField("input")  # would fail if it ran
    part = ours(model, inputs(1)[0], late, model.graph.input[0].name)
    assert set(part) == {late, model.graph.input[0].name}
    assert np.array_equal(part[late], whole[late])


def test_a_graph_beside_another_has_the_same_bits_as_by_itself() -> None:
    quantizer, value = Quantizer.of(graph_by_hand(), inputs(2), CPUS, grey=True), inputs(1)[0]
    output = quantizer.exact.graph.output[0].name
    for group in ("gates-3", "decoder", "first"):
        model = quantizer.model((group,))
        beside = Evaluator(model, {output}, quantizer.exact)
        shared = ours(quantizer.exact, value, *beside.shared)
        found: dict[str, Array] = {}
        beside(value, found.__setitem__, shared)
        assert np.array_equal(found[output], ours(model, value, output)[output])
        assert beside.shared or group == "first"
    again = Evaluator(quantizer.exact, {output}, quantizer.exact)
    assert again.shared == {output}, "nothing differs, nothing is run"


def one_node(kind: str) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4, 4]) for name in "xy"]
    return helper.make_model(helper.make_graph([helper.make_node(kind, ["x"], ["y"])], "one", ends[:1], ends[1:]))


def test_an_operator_that_is_unknown_is_refused_before_anything_runs() -> None:
    with pytest.raises(ExportError, match=r"not be reproducible.*Conv.*got Erf"):
        Evaluator(one_node("Erf"), {"y"})


def test_values_that_overflow_are_refused() -> None:
    value = np.full(inputs(1)[0].shape, np.inf, np.float32)
    with pytest.raises(ExportError, match="overflow"):
        ours(onnx.load_from_string(graph_by_hand().data), value)
