"""Each operator against ONNX Runtime, and what must not change a bit."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from miniseg_edge.errors import ExportError
from miniseg_edge.export.quantization.exact.operators import OPERATORS, Array, bilinear
from miniseg_edge.slices.preprocessing import FloatArray, resized

GENERATOR = np.random.default_rng(0)


def noise(*shape: int, seed: int = 0) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=shape), np.float32)


def ours(kind: str, *inputs: Array | None, **attributes: Any) -> Array:
    found = OPERATORS[kind]({n: v.encode() if isinstance(v, str) else v for n, v in attributes.items()}, *inputs)
    return np.asarray(found[0] if isinstance(found, tuple) else found)


def theirs(kind: str, *inputs: Array | None, **attributes: Any) -> Array:
    names = ["" if values is None else f"x{i}" for i, values in enumerate(inputs)]
    constants = [numpy_helper.from_array(v, n) for n, v in zip(names, inputs, strict=True) if v is not None]
    outputs = ["y0", "y1"] if kind == "Split" else ["y0"]
    node = helper.make_node(kind, names, outputs, **attributes)
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", [], ends, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return np.asarray(ort.InferenceSession(model.SerializeToString(), options).run(None, {})[0])


@given(
    seed=st.integers(0, 1000),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.sampled_from([(1, 5, 3), (4, 4, 4), (4, 8, 4), (2, 6, 4)]),
    biased=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_convolutions(
    seed: int, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int],
    pads: tuple[int, int, int, int], groups: tuple[int, int, int], biased: bool,
) -> None:  # fmt: skip
    group, outputs, inputs = groups
    x, weight = noise(1, inputs, 13, 15, seed=seed), noise(outputs, inputs // group, *kernel, seed=seed + 1)
    given_ = (x, weight, noise(outputs, seed=seed + 2)) if biased else (x, weight)
    said = {"strides": strides, "dilations": dilations, "pads": pads, "group": group, "kernel_shape": kernel}
    found, wanted = ours("Conv", *given_, **said), theirs("Conv", *given_, **said)
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-4)


@given(seed=st.integers(0, 1000), kernel=st.sampled_from([1, 3]))
@settings(max_examples=30, deadline=None)
def test_a_dense_convolution_has_the_same_bits_whatever_the_order_of_its_channels(seed: int, kernel: int) -> None:
    x, weight = noise(1, 40, 12, 12, seed=seed), noise(6, 40, kernel, kernel, seed=seed + 1)
    order = np.random.default_rng(seed).permutation(40)
    said = {"pads": (1, 1, 1, 1)}
    assert np.array_equal(ours("Conv", x, weight, **said), ours("Conv", x[:, order], weight[:, order], **said))


@pytest.mark.parametrize("kernel", [2, 4])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (3, 3, 3, 3), (0, 1, 2, 1)])
def test_transposed_convolutions(kernel: int, pads: tuple[int, int, int, int]) -> None:
    given_ = (noise(1, 3, 9, 7), noise(3, 1, kernel, kernel, seed=1), noise(3, seed=2))
    said = {"strides": (2, 2), "pads": pads, "group": 3, "kernel_shape": (kernel, kernel)}
    assert np.allclose(ours("ConvTranspose", *given_, **said), theirs("ConvTranspose", *given_, **said), atol=1e-5)


def test_the_sigmoid_is_right_to_a_few_bits_of_float32() -> None:
    x = np.concatenate([np.linspace(-120, 120, 100_001), [0.0, -0.0, 1e-30, 1e30, -1e30]]).astype(np.float32)[None]
    wanted = torch.sigmoid(torch.from_numpy(x).double()).numpy()
    found = ours("Sigmoid", x)
    assert found.dtype == np.float32
    assert (np.abs(found - wanted) <= 4e-7 * wanted + 2e-38).all()


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_quantizers_give_the_same_integers(axis: int | None, kind: type[np.generic]) -> None:
    x = noise(3, 4, 6, 6)
    count = () if axis is None else (x.shape[axis],)
    scale = np.full(count, 0.0123, np.float32) * (
        1 + np.arange(np.prod(count, dtype=int), dtype=np.float32).reshape(count)
    )
    zero = np.full(count, 0 if kind is np.int8 else 77, kind)
    said = {} if axis is None else {"axis": axis}
    integers = ours("QuantizeLinear", x, scale, zero, **said)
    assert integers.dtype == kind
    assert np.array_equal(integers, theirs("QuantizeLinear", x, scale, zero, **said))
    again = ours("DequantizeLinear", integers, scale, zero, **said)
    assert np.array_equal(again, theirs("DequantizeLinear", integers, scale, zero, **said))


X = noise(1, 4, 6, 8)
AXES, ENDS = np.array([1]), np.array([0, 0, 1, 2, 0, 0, 3, 1])


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes"),
    [
        ("PRelu", (X, noise(4, 1, 1, seed=1)), {}),
        ("Add", (X, noise(1, 4, 1, 1)), {}),
        ("Sub", (X, X[:, ::-1].copy()), {}),
        ("Mul", (X, np.float32(3)), {}),
        ("Max", (X, X[:, ::-1].copy()), {}),
        ("Abs", (X,), {}),
        ("Greater", (X, np.float32(0)), {}),
        ("LessOrEqual", (X, np.float32(0.5)), {}),
        ("Where", (X > 0, X, np.float32(7)), {}),
        ("Cast", (X > 0,), {"to": onnx.TensorProto.UINT8}),
        ("Clip", (X, np.float32(-0.5), np.float32(0.25)), {}),
        ("Clip", (X, None, np.float32(0.25)), {}),
        ("Concat", (X, X), {"axis": 1}),
        ("Split", (X,), {"axis": 1, "num_outputs": 2}),
        ("Split", (X, np.array([1, 3])), {"axis": 1}),
        ("Pad", (X, ENDS), {"mode": "edge"}),
        ("Pad", (X, ENDS, np.float32(2.5)), {"mode": "constant"}),
        ("Pad", (X, ENDS), {}),
        ("Reshape", (X, np.array([0, -1, 16])), {}),
        ("Transpose", (X,), {"perm": [0, 2, 3, 1]}),
        ("DepthToSpace", (X,), {"blocksize": 2, "mode": "CRD"}),
        ("DepthToSpace", (X,), {"blocksize": 2, "mode": "DCR"}),
        ("ArgMax", (X,), {"axis": 1, "keepdims": 1}),
        ("ReduceMax", (X, AXES), {"keepdims": 1}),
        ("ReduceMin", (X, AXES), {"keepdims": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_exact_is_equal(kind: str, inputs: tuple[Array | None, ...], attributes: dict[str, Any]) -> None:
    found, wanted = (
        ours(kind, *inputs, **attributes),
        theirs(kind, *(None if i is None else np.asarray(i) for i in inputs), **attributes),
    )
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


HALF_PIXEL = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


@pytest.mark.parametrize("size", [(11, 17), (3, 20), (6, 8), (1, 1)])
def test_enlarging_and_shrinking_by_interpolation(size: tuple[int, int]) -> None:
    given_ = (X, None, None, np.array([1, 4, *size]))
    assert np.allclose(ours("Resize", *given_, **HALF_PIXEL), theirs("Resize", *given_, **HALF_PIXEL), atol=1e-6)
    assert np.allclose(bilinear(X, size)[0].transpose(1, 2, 0), resized(X[0].transpose(1, 2, 0), size), atol=1e-6), (
        "OpenCV"
    )


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes"),
    [
        ("Resize", (X, None, None, np.array([1, 4, 7, 7])), {"mode": "nearest"}),
        (
            "Resize",
            (X, None, None, np.array([1, 4, 7, 7])),
            {**HALF_PIXEL, "coordinate_transformation_mode": "align_corners"},
        ),
        ("Pad", (X, ENDS), {"mode": "reflect"}),
        ("Pad", (X, ENDS, None, AXES), {}),
        ("ConvTranspose", (X, noise(4, 2, 3, 3)), {"group": 1}),
        ("ConvTranspose", (X, noise(4, 1, 3, 3)), {"group": 4, "dilations": (2, 2)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unknown_is_refused(kind: str, inputs: tuple[Array | None, ...], attributes: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match=f"would not be reproducible.*{kind}"):
        ours(kind, *inputs, **attributes)
