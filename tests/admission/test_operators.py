"""The shapes that admission infers, held against those that ONNX Runtime and OpenVINO really make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from miniseg_edge.admission.admission import Admission
from miniseg_edge.admission.ir_graph import graph_from_ir
from miniseg_edge.admission.ir_operators import IR_OPERATORS
from miniseg_edge.admission.onnx_graph import graph_from_onnx
from miniseg_edge.admission.onnx_operators import ONNX_OPERATORS
from miniseg_edge.errors import UnsafeModelError
from tests.attacks.models import ir_files, onnx_model

Shape = Sequence[int]


@dataclass(frozen=True)
class Case:
    """An operator on `slice` of a shape; `constants` are its other inputs, None where one is left out."""

    operator: str
    shape: Shape
    constants: Sequence[Any] = ()
    attributes: Any = None
    outputs: int = 1

    def model(self, output: Sequence[int | str]) -> onnx.ModelProto:
        """The ONNX that says what comes out."""
        names = ["slice", *("" if value is None else f"c{i}" for i, value in enumerate(self.constants))]
        made = ["logit", *(f"other{i}" for i in range(1, self.outputs))]
        weights = [
            numpy_helper.from_array(np.asarray(v), f"c{i}") for i, v in enumerate(self.constants) if v is not None
        ]
        node = helper.make_node(self.operator, names, made, **(self.attributes or {}))
        return onnx_model([node], weights, shape=self.shape, output=output)


def made_by_onnx_runtime(case: Case) -> Shape | None:
    """The shape of what really comes out; None where ONNX Runtime refuses."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for rank in range(7):
        model = case.model([f"side{axis}" for axis in range(rank)])
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            return tuple(session.run(["logit"], {"slice": np.ones(case.shape, np.float32)})[0].shape)
        except Exception as error:  # each refusal has a kind of its own
            if "rank" not in str(error).lower():
                return None
    return None


def agrees(case: Case) -> bool:
    """Compares admission with ONNX Runtime, and with what OpenVINO states of an IR; False if the IR has none."""
    shape = made_by_onnx_runtime(case)
    if shape is None or not all(shape):
        return False
    model = case.model(shape)
    Admission(graph_from_onnx(model.SerializeToString()), ONNX_OPERATORS).admit(tuple(case.shape))
    other = case.model([*shape[:-1], shape[-1] + 1] if shape else [1])
    with pytest.raises(UnsafeModelError):
        Admission(graph_from_onnx(other.SerializeToString()), ONNX_OPERATORS).admit(tuple(case.shape))
    read = openvino.Core().read_model(model.SerializeToString())
    Admission(graph_from_ir(*ir_files(read)), IR_OPERATORS).admit(tuple(case.shape))
    return True


sides = st.integers(1, 12)
pictures = st.tuples(st.integers(1, 2), st.sampled_from([2, 4, 6]), sides, sides)


@st.composite
def windows(draw: st.DrawFn, *, transposed: bool = False, pool: bool = False) -> Case:
    n, channels, height, width = draw(pictures)
    groups = 1 if pool else draw(st.sampled_from([1, 2]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    attributes: dict[str, Any] = {
        "strides": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "dilations": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
    }
    if draw(st.booleans()) or transposed:
        largest = min(kernel) - 1 if pool else 4
        attributes["pads"] = draw(st.tuples(*[st.integers(0, largest)] * 4))
    else:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"]))
        if attributes["auto_pad"].startswith("SAME"):
            attributes["dilations"] = (1, 1)
    if pool:
        # ONNX Runtime gives something for a window that does not fit: refused here.
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, attributes["dilations"], strict=True)]
        assume(all(extent <= side for extent, side in zip(extents, (height, width), strict=True)))
        return Case("MaxPool", (n, channels, height, width), (), {**attributes, "kernel_shape": kernel})
    if transposed:
        attributes["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in attributes["strides"]]
        weights = (channels, draw(st.integers(1, 3)), *kernel)
    else:
        weights = (draw(st.integers(1, 3)) * groups, channels // groups, *kernel)
    name = "ConvTranspose" if transposed else "Conv"
    return Case(name, (n, channels, height, width), [np.ones(weights, np.float32)], {**attributes, "group": groups})


@settings(max_examples=60, deadline=None)
@given(windows())
def test_convolutions(case: Case) -> None:
    assume(agrees(case))


@settings(max_examples=60, deadline=None)
@given(windows(transposed=True))
def test_transposed_convolutions(case: Case) -> None:
    assume(agrees(case))


@settings(max_examples=60, deadline=None)
@given(windows(pool=True), st.sampled_from([0, 1]))
def test_pools(case: Case, ceil: int) -> None:
    assume(agrees(Case("MaxPool", case.shape, (), {**case.attributes, "ceil_mode": ceil})))
    if not ceil:
        assume(agrees(Case("AveragePool", case.shape, (), {**case.attributes, "ceil_mode": ceil})))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-20, 20), st.integers(1, 40), st.sampled_from([-3, -2, -1, 1, 2, 3])),
        min_size=2, max_size=2,
    )
)  # fmt: skip
def test_slices(parts: list[tuple[int, int, int]]) -> None:
    starts, lengths, steps = (np.array(numbers) for numbers in zip(*parts, strict=True))
    ends = starts + lengths * np.sign(steps)
    agrees(Case("Slice", (1, 2, 7, 9), [starts, ends, np.array([2, -1]), steps]))


@settings(max_examples=40, deadline=None)
@given(pictures, st.lists(st.integers(-2, 5), min_size=8, max_size=8))
def test_pads(shape: Shape, pads: list[int]) -> None:
    assume(agrees(Case("Pad", shape, [np.array(pads)], {"mode": "constant"})))


@settings(max_examples=40, deadline=None)
@given(
    pictures,
    st.tuples(
        st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.25]), st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.25])
    ),
)
def test_resizing(shape: Shape, scales: tuple[float, float]) -> None:
    assume(agrees(Case("Resize", shape, [None, np.array([1, 1, *scales], np.float32)], {"mode": "linear"})))
    sizes = np.array([*shape[:2], *(max(1, int(scale * 7)) for scale in scales)])
    assume(agrees(Case("Resize", shape, [None, None, sizes], {"mode": "linear"})))


@settings(max_examples=40, deadline=None)
@given(st.data(), pictures)
def test_reshapes(data: st.DataObject, shape: Shape) -> None:
    order = data.draw(st.permutations(range(4)))
    assume(agrees(Case("Transpose", shape, (), {"perm": order})))
    target = data.draw(st.sampled_from([[0, -1], [-1, shape[3]], [0, 0, -1, 1], [-1]]))
    assume(agrees(Case("Reshape", shape, [np.array(target)])))
    axes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True))
    assume(agrees(Case("ReduceMean", shape, [np.array(axes)], {"keepdims": data.draw(st.sampled_from([0, 1]))})))
    assume(agrees(Case("Unsqueeze", shape, [np.array(axes)])))
    assume(
        agrees(Case("Squeeze", (1, *shape[1:3], 1), [np.array(data.draw(st.sampled_from([[0], [3], [0, 3], [-1]])))]))
    )
    assume(agrees(Case("Flatten", shape, (), {"axis": data.draw(st.integers(0, 4))})))


@settings(max_examples=40, deadline=None)
@given(st.data(), pictures)
def test_parts_and_rows(data: st.DataObject, shape: Shape) -> None:
    axis = data.draw(st.integers(0, 3))
    parts = data.draw(st.integers(1, shape[axis]))
    lengths = [shape[axis] // parts] * parts
    lengths[-1] += shape[axis] - sum(lengths)
    assume(agrees(Case("Split", shape, [np.array(lengths)], {"axis": axis}, parts)))
    indices = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
    assume(agrees(Case("Gather", shape, [np.array(indices).reshape(1, -1)], {"axis": axis})))
    assume(agrees(Case("Tile", shape, [np.array(data.draw(st.lists(st.integers(1, 3), min_size=4, max_size=4)))])))
    assume(agrees(Case("Expand", (1, shape[1], 1, 1), [np.array([3, 1, *shape[2:]])])))
    assume(agrees(Case("Concat", shape, [np.ones(shape, np.float32)], {"axis": axis})))


@settings(max_examples=40, deadline=None)
@given(pictures, st.integers(1, 5), st.booleans())
def test_products(shape: Shape, columns: int, batched: bool) -> None:
    other = (shape[1],) if batched else ()
    assume(agrees(Case("MatMul", shape, [np.ones((*other, shape[3], columns), np.float32)])))
    assume(agrees(Case("Gemm", shape[2:], [np.ones((columns, shape[3]), np.float32)], {"transB": 1})))
    assume(agrees(Case("DepthToSpace", (1, 4 * shape[1], *shape[2:]), (), {"blocksize": 2})))
    assume(agrees(Case("SpaceToDepth", (1, shape[1], 2 * shape[2], 2 * shape[3]), (), {"blocksize": 2})))


ONE = np.float32(1)
PLAIN: dict[str, tuple[Sequence[Any], dict[str, Any]]] = {
    **{name: ((), {}) for name in (
        "Abs", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log",
        "LogSoftmax", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softmax",
        "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu", "GlobalAveragePool", "GlobalMaxPool", "Identity",
    )},
    **{name: ([np.full((1, 4, 1, 1), 2, np.float32)], {}) for name in (
        "Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum", "Pow", "PRelu",
    )},
    **{name: ((), {"keepdims": 0}) for name in (
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSum", "ReduceSumSquare",
    )},
    "Clip": ([ONE, ONE], {}),
    "BatchNormalization": ([np.ones(4, np.float32)] * 4, {}),
    "InstanceNormalization": ([np.ones(4, np.float32)] * 2, {}),
    "LayerNormalization": ([np.ones(6, np.float32)] * 2, {}),
    "GroupNormalization": ([np.ones(2, np.float32)] * 2, {"num_groups": 2}),
    "LpNormalization": ((), {"axis": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_every_other_operator(name: str) -> None:
    constants, attributes = PLAIN[name]
    assert agrees(Case(name, (2, 4, 5, 6), constants, attributes))


def test_every_rule_that_may_be_used_alone_is_held_against_the_vendors() -> None:
    tried = {
        *PLAIN, "Conv", "ConvTranspose", "MaxPool", "AveragePool", "Slice", "Pad", "Resize", "Transpose", "Reshape",
        "Unsqueeze", "Squeeze", "Flatten", "Split", "Gather", "Tile", "Expand", "Concat", "MatMul", "Gemm",
        "DepthToSpace", "SpaceToDepth",
    }  # fmt: skip
    other_types = {
        "And", "Or", "Not", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where", "IsInf",
        "IsNaN", "Cast", "Shape", "Range", "Constant", "Mod", "ArgMax", "ArgMin", "QuantizeLinear", "DequantizeLinear",
    }  # fmt: skip
    assert tried | other_types == set(ONNX_OPERATORS)


Made = Callable[[list[onnx.NodeProto], list[onnx.TensorProto]], None]


def chained(*nodes: tuple[str, Sequence[str], str, dict[str, Any]], **constants: Any) -> onnx.ModelProto:
    made = [helper.make_node(name, list(read), [given], **attributes) for name, read, given, attributes in nodes]
    return onnx_model(
        made, [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()], shape=(1, 2, 8, 6)
    )


CHAINS = {
    "masks": chained(
        ("Greater", ["slice", "one"], "a", {}), ("LessOrEqual", ["slice", "one"], "b", {}), ("And", "ab", "c", {}),
        ("Not", ["c"], "d", {}), ("Or", "cd", "e", {}), ("Where", ["e", "slice", "one"], "logit", {}), one=ONE,
    ),
    "quantizers": chained(
        ("QuantizeLinear", ["slice", "scale", "zero"], "q", {}),
        ("DequantizeLinear", ["q", "scale", "zero"], "logit", {}), scale=ONE, zero=np.uint8(3),
    ),
    "argmax": chained(
        ("ArgMax", ["slice"], "a", {"axis": 1}), ("Cast", ["a"], "f", {"to": 1}), ("Add", ["slice", "f"], "logit", {}),
    ),
    "the shape of the slice": chained(
        ("Shape", ["slice"], "s", {}), ("Gather", ["s", "two"], "h", {}), ("Shape", ["slice"], "w", {"start": 3}),
        ("Unsqueeze", ["h", "zero"], "hh", {}), ("Mul", ["hh", "w"], "hw", {}),
        ("Concat", ["front", "hw"], "to", {"axis": 0}),
        ("Reshape", ["slice", "to"], "flat", {}), ("Reshape", ["flat", "s"], "logit", {}),
        two=np.int64(2), zero=np.array([0]), front=np.array([1, 2]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_operators_on_other_types(name: str) -> None:
    model = CHAINS[name]
    onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logit", 1, [1, 2, 8, 6]))
    Admission(graph_from_onnx(model.SerializeToString()), ONNX_OPERATORS).admit((1, 2, 8, 6))
    read = openvino.Core().read_model(model.SerializeToString())
    Admission(graph_from_ir(*ir_files(read)), IR_OPERATORS).admit((1, 2, 8, 6))
