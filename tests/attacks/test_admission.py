"""Small model files that want gigabytes, hours or another reader's view: refused before a vendor's parser sees them.

None of them names an external file or a custom operator, all hashes are right, and the manifest records what they are
made of. Nothing here may reach a vendor: on code that lets one through, a test takes gigabytes or never ends.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import miniseg_edge
from miniseg_edge.admission import admission as bounds
from miniseg_edge.errors import IncompatibleError, UnsafeModelError
from tests.attacks.models import SHAPE, onnx_bundle, onnx_model, weights
from tests.bundles import SIDE

HUGE = 2**30
Attack = Callable[[], onnx.ModelProto]


pytestmark = pytest.mark.usefixtures("no_vendor_opens_a_model")


def node(operator: str, inputs: Sequence[str], output: str = "logit", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [output], f"{operator} {output}", **attributes)


def reduced(big: str) -> list[onnx.NodeProto]:
    """Makes the answer depend on something big, so that it cannot be optimised away."""
    return [node("ReduceMax", [big], "one", keepdims=0), node("Add", ["slice", "one"])]


def constant_of_shape() -> onnx.ModelProto:
    return onnx_model([node("ConstantOfShape", ["shape"], "big"), *reduced("big")], [weights("shape", [HUGE], [1])])


def range_() -> onnx.ModelProto:
    ends = [weights(name, [value], []) for name, value in (("a", 0), ("b", HUGE), ("c", 1))]
    nodes = [node("Range", ["a", "b", "c"], "whole"), node("Cast", ["whole"], "big", to=1)]
    return onnx_model([*nodes, *reduced("big")], ends)


def pad() -> onnx.ModelProto:
    pads = weights("pads", [0, 0, 0, 0, 0, 0, HUGE, 0], [8])
    return onnx_model([node("Pad", ["slice", "pads"], "big"), *reduced("big")], [pads])


def expand() -> onnx.ModelProto:
    nodes = [node("Expand", ["tiny", "shape"], "big"), *reduced("big")]
    return onnx_model(nodes, [weights("tiny", [1.0], [1], whole=False), weights("shape", [HUGE], [1])])


def expand_by_the_slice() -> onnx.ModelProto:
    """The size comes from the slice's own shape, and folds anyway."""
    nodes = [node("Shape", ["slice"], "shape"), node("Mul", ["shape", "times"], "sides")]
    nodes += [node("Expand", ["tiny", "sides"], "big"), *reduced("big")]
    return onnx_model(nodes, [weights("tiny", [1.0], [1], whole=False), weights("times", [1, 1, 2**14, 2**14], [4])])


def tile() -> onnx.ModelProto:
    return onnx_model([node("Tile", ["slice", "n"], "big"), *reduced("big")], [weights("n", [1, 1, 2**12, 2**12], [4])])


def resize() -> onnx.ModelProto:
    scales = weights("scales", [1.0, 1.0, 1e4, 1e4], [4], whole=False)
    return onnx_model([node("Resize", ["slice", "", "scales"], "big"), *reduced("big")], [scales])


def resize_by_sizes() -> onnx.ModelProto:
    sizes = weights("sizes", [1, 1, 2**15, 2**15], [4])
    return onnx_model([node("Resize", ["slice", "", "", "sizes"], "big"), *reduced("big")], [sizes])


def doubling(times: int = 30) -> onnx.ModelProto:
    """Each twice the one before."""
    names = ["slice", *(f"v{i}" for i in range(times))]
    nodes = [node("Concat", [name, name], after, axis=3) for name, after in itertools.pairwise(names)]
    return onnx_model([*nodes, *reduced(names[-1])])


def doubling_constants() -> onnx.ModelProto:
    """The same, of what a vendor folds as it opens the model."""
    names = ["seed", *(f"v{i}" for i in range(30))]
    nodes = [node("Concat", [name, name], after, axis=0) for name, after in itertools.pairwise(names)]
    return onnx_model([*nodes, *reduced(names[-1])], [weights("seed", [1.0], [1], whole=False)])


def many_constants() -> onnx.ModelProto:
    """None of them large, together 40 GB."""
    nodes = [node("Expand", ["tiny", "shape"], f"v{i}") for i in range(600)]
    nodes += [node("Max", [f"v{i}" for i in range(600)], "big"), *reduced("big")]
    return onnx_model(nodes, [weights("tiny", [1.0], [1], whole=False), weights("shape", [2**24], [1])])


def outer_product() -> onnx.ModelProto:
    nodes = [node("Reshape", ["slice", "column"], "a"), node("Reshape", ["slice", "row"], "b")]
    nodes += [node("MatMul", ["a", "b"], "c"), node("Reshape", ["c", "long"], "d"), node("Transpose", ["d"], "e")]
    nodes += [node("MatMul", ["d", "e"], "big"), *reduced("big")]
    sides = SIDE * SIDE
    shapes = [weights("column", [sides, 1], [2]), weights("row", [1, sides], [2]), weights("long", [-1, 1], [2])]
    return onnx_model(nodes, shapes)


def transposed_convolution() -> onnx.ModelProto:
    kernel = weights("w", [1.0], [1, 1, 1, 1], whole=False)
    return onnx_model([node("ConvTranspose", ["slice", "w"], "big", strides=[2**11, 2**11]), *reduced("big")], [kernel])


def cropped_transposed_convolution() -> onnx.ModelProto:
    """What it gives is small; what is cropped away is not."""
    kernel = weights("w", [1.0] * 4, [1, 1, 2, 2], whole=False)
    far = 2**17
    attributes = {"dilations": [far, far], "pads": [far // 2] * 4}
    return onnx_model([node("ConvTranspose", ["slice", "w"], "big", **attributes), *reduced("big")], [kernel])


def padded_convolution() -> onnx.ModelProto:
    """What it gives is small; the padded input is not."""
    kernel = weights("w", [1.0] * 4, [1, 1, 2, 2], whole=False)
    far = 2**17
    attributes = {"dilations": [far, far], "pads": [far // 2] * 4}
    return onnx_model([node("Conv", ["slice", "w"], "big", **attributes), *reduced("big")], [kernel])


def many_channels() -> onnx.ModelProto:
    """Convolutions with filters that are one broadcast number: hours, in 500 bytes."""
    wide = weights("shape", [2**11, 2**11, 1, 1], [4])
    names = ["start", *(f"v{i}" for i in range(200))]
    nodes = [node("Expand", ["tiny", "shape"], "w"), node("Expand", ["slice", "channels"], "start")]
    nodes += [node("Conv", [name, "w"], after) for name, after in itertools.pairwise(names)]
    made = [weights("tiny", [1.0], [1], whole=False), wide, weights("channels", [1, 2**11, SIDE, SIDE], [4])]
    return onnx_model([*nodes, *reduced(names[-1])], made)


def wide_pool() -> onnx.ModelProto:
    """Each pixel looks at a whole picture of 512 x 512 pixels, again and again."""
    nodes = [node("Resize", ["slice", "", "", "sizes"], "v0")]
    attributes = {"kernel_shape": [511, 511], "pads": [255] * 4, "strides": [1, 1]}
    nodes += [node("MaxPool", [f"v{i}"], f"v{i + 1}", **attributes) for i in range(10)]
    return onnx_model([*nodes, *reduced("v10")], [weights("sizes", [1, 1, 512, 512], [4])])


def many_operators() -> onnx.ModelProto:
    names = ["slice", *(f"v{i}" for i in range(bounds.MAX_NODES)), "logit"]
    return onnx_model([node("Relu", [one], other) for one, other in itertools.pairwise(names)])


def depends_on_data() -> onnx.ModelProto:
    nodes = [node("ReduceMax", ["slice"], "one", keepdims=0), node("Cast", ["one"], "whole", to=7)]
    nodes += [node("Reshape", ["whole", "flat"], "n"), node("Expand", ["tiny", "n"], "big"), *reduced("big")]
    return onnx_model(nodes, [weights("tiny", [1.0], [1], whole=False), weights("flat", [1], [1])])


def non_zero() -> onnx.ModelProto:
    nodes = [node("NonZero", ["slice"], "places"), node("Cast", ["places"], "big", to=1)]
    return onnx_model([*nodes, *reduced("big")])


def random() -> onnx.ModelProto:
    return onnx_model([node("RandomNormal", [], "big", shape=[HUGE]), *reduced("big")])


def lying_weights() -> onnx.ModelProto:
    model = onnx_model([node("ReduceMax", ["w"], "one", keepdims=0), node("Add", ["slice", "one"])])
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**12])
    return model


def half_given_weights() -> onnx.ModelProto:
    model = lying_weights()
    model.graph.initializer[0].raw_data = bytes(64)
    return model


def stated_sizes_that_lie() -> onnx.ModelProto:
    model = onnx_model([node("Relu", ["slice"], "r"), node("Add", ["slice", "r"])])
    model.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 1, HUGE, HUGE]))
    return model


def sparse_weights() -> onnx.ModelProto:
    model = onnx_model([node("Add", ["slice", "w"])])
    values, places = weights("w", [1.0], [1], whole=False), weights("w_places", [0], [1])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [HUGE]))
    return model


SIZES: list[Attack] = [
    constant_of_shape, range_, pad, expand, expand_by_the_slice, tile, resize, resize_by_sizes, doubling,
    doubling_constants, many_constants, outer_product, transposed_convolution, cropped_transposed_convolution,
    padded_convolution, many_channels, wide_pool, many_operators, depends_on_data, non_zero, random, lying_weights,
    half_given_weights, stated_sizes_that_lie, sparse_weights,
]  # fmt: skip


@pytest.mark.parametrize("attack", SIZES, ids=lambda attack: attack.__name__)
def test_an_onnx_that_grows_beyond_its_slices_is_refused(attack: Attack) -> None:
    model = attack()
    assert len(model.SerializeToString()) < 200 * bounds.MAX_NODES // 2
    with pytest.raises(UnsafeModelError):
        miniseg_edge.load(onnx_bundle(model, [n.op_type for n in model.graph.node]), "onnxruntime")


def subgraph(inputs: Sequence[onnx.ValueInfoProto] = ()) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, SHAPE)
    return helper.make_graph([node("Identity", ["slice"], "inner")], "body", list(inputs), [value])


def loop() -> onnx.ModelProto:
    """2^40 rounds: no deadline ends them."""
    round_, go_on, carried = (
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (("i", 7, []), ("go", 9, []), ("x", 1, SHAPE))
    )
    outputs = [helper.make_tensor_value_info("go_out", 9, []), helper.make_tensor_value_info("x_out", 1, SHAPE)]
    nodes = [node("Identity", ["go"], "go_out"), node("Relu", ["x"], "x_out")]
    body = helper.make_graph(nodes, "body", [round_, go_on, carried], outputs)
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    return onnx_model([node("Loop", ["rounds", "true", "slice"], body=body)], [weights("rounds", [2**40], []), true])


def branch() -> onnx.ModelProto:
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    return onnx_model([node("If", ["true"], then_branch=subgraph(), else_branch=subgraph())], [true])


def scan() -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", ["row"], "row_out")], "body",
        [helper.make_tensor_value_info("row", 1, SHAPE[1:])], [helper.make_tensor_value_info("row_out", 1, SHAPE[1:])],
    )  # fmt: skip
    return onnx_model([node("Scan", ["slice"], body=body, num_scan_inputs=1)])


def hidden_graph() -> onnx.ModelProto:
    """A graph in an attribute of an operator that has none."""
    return onnx_model([node("Relu", ["slice"], body=subgraph())])


def sequence() -> onnx.ModelProto:
    nodes = [node("SequenceConstruct", ["slice"] * 8, "s"), node("ConcatFromSequence", ["s"], "big", axis=0)]
    return onnx_model([*nodes, *reduced("big")])


def functions() -> onnx.ModelProto:
    """Each calls the one before twice: 2^40 operators once they are inlined."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    made = [helper.make_function("f", "f0", ["x"], ["y"], [node("Relu", ["x"], "y")], opsets)]
    for index in range(1, 40):
        calls = [
            helper.make_node(f"f{index - 1}", [one], [other], domain="f") for one, other in (("x", "m"), ("m", "y"))
        ]
        made.append(helper.make_function("f", f"f{index}", ["x"], ["y"], calls, opsets))
    return onnx_model([helper.make_node("f39", ["slice"], ["logit"], domain="f")], functions=made)


def overridden() -> onnx.ModelProto:
    """A function in the place of a standard operator."""
    opsets = [helper.make_opsetid("", 20)]
    made = helper.make_function("", "Relu", ["x"], ["y"], [node("Exp", ["x"], "y")], opsets)
    model = onnx_model([node("Relu", ["slice"])])
    model.functions.append(made)
    return model


@pytest.mark.parametrize(
    "attack", [loop, branch, scan, hidden_graph, sequence, functions, overridden], ids=lambda attack: attack.__name__
)
def test_control_flow_and_functions_are_refused(attack: Attack) -> None:
    model = attack()
    with pytest.raises(UnsafeModelError):
        miniseg_edge.load(onnx_bundle(model, [n.op_type for n in model.graph.node]), "onnxruntime")


def test_an_operator_that_the_manifest_does_not_record_is_refused() -> None:
    model = onnx_model([node("Exp", ["slice"])])
    with pytest.raises(UnsafeModelError, match=r"does not record.*got Exp"):
        miniseg_edge.load(onnx_bundle(model, ["Relu"]), "onnxruntime")


def test_a_manifest_cannot_record_what_no_runtime_admits() -> None:
    with pytest.raises(UnsafeModelError, match=r"not admitted.*got Loop"):
        miniseg_edge.load(onnx_bundle(without_attributes(loop()), ["Loop"]), "onnxruntime")


def without_attributes(model: onnx.ModelProto) -> onnx.ModelProto:
    for one in model.graph.node:
        del one.attribute[:]
    return model


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data + data, id="two graphs, which parsers merge"),
        pytest.param(lambda data: data + b"\x3a\x00", id="an empty second graph"),
        pytest.param(lambda data: data + b"\x42\x04\x0a\x00\x10\x14", id="an opset twice"),
        pytest.param(lambda data: data.replace(b"Relu", b"Loop"), id="another operator of the same length"),
    ],
)
def test_what_two_readers_could_see_differently_is_refused(damage: Callable[[bytes], bytes]) -> None:
    data = onnx_model([node("Relu", ["slice"])]).SerializeToString()
    with pytest.raises((UnsafeModelError, IncompatibleError)):
        miniseg_edge.load(onnx_bundle(damage(data), ["Relu", "Loop"]), "onnxruntime")


def test_a_network_that_grows_faster_than_its_slices_is_refused_at_the_slice_that_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is fed in slices of any size, and has as many values as the square of their pixels."""
    monkeypatch.undo()  # for once a vendor opens it
    nodes = [node("Reshape", ["slice", "column"], "a"), node("Reshape", ["slice", "row"], "b")]
    nodes += [node("MatMul", ["a", "b"], "big"), *reduced("big")]
    model = onnx_model(
        nodes,
        [weights("column", [-1, 1], [2]), weights("row", [1, -1], [2])],
        shape=["batch", 1, "height", "width"],
    )
    made = onnx_bundle(model, [n.op_type for n in nodes], dynamic=True)
    with miniseg_edge.load(made, "onnxruntime") as segmenter:
        segmenter.segment(np.zeros((SIDE, SIDE), np.uint8))
        with pytest.raises(UnsafeModelError, match="MatMul"):
            segmenter.segment(np.zeros((512, 512), np.uint8))
        segmenter.segment(np.zeros((SIDE, SIDE), np.uint8))
