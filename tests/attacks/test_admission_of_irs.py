"""Small OpenVINO IRs that want gigabytes, hours or another reader's view: as `test_admission.py`."""

from collections.abc import Callable

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.errors import IncompatibleError, UnsafeModelError
from tests.attacks.models import SHAPE, ir_bundle, ir_files
from tests.bundles import SIDE

HUGE = 2**30

pytestmark = pytest.mark.usefixtures("no_vendor_opens_a_model")


def ov_model(answer: Callable[[object], object]) -> object:
    import openvino
    from openvino import opset13 as ops

    slice_ = ops.parameter(list(SHAPE), np.float32, name="slice")
    slice_.output(0).get_tensor().set_names({"slice"})
    result = ops.result(answer(slice_))
    result.input(0).get_source_output().get_tensor().set_names({"logit"})
    return openvino.Model([result], [slice_], "attack")


def ov_reduced(slice_: object, big: object) -> object:
    from openvino import opset13 as ops

    rank = len(big.output(0).get_partial_shape())  # type: ignore[attr-defined]
    return ops.add(slice_, ops.reduce_max(big, np.arange(rank), keep_dims=False))


def ov_broadcast(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.broadcast(np.float32(1), np.array([HUGE, 4])))


def ov_broadcast_of_bytes(slice_: object) -> object:
    from openvino import opset13 as ops

    grown = ops.broadcast(slice_, np.array([2**20, 1, SIDE, SIDE]))
    return ov_reduced(slice_, grown)


def ov_pad(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.pad(slice_, np.zeros(4, np.int64), np.array([0, 0, 0, HUGE]), "constant"))


def ov_tile(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.tile(slice_, np.array([1, 1, 2**12, 2**12])))


def ov_range(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.range(np.float32(0), np.float32(HUGE), np.float32(1), "f32"))


def ov_random(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.random_uniform(np.array([HUGE]), np.float32(0), np.float32(1), "f32"))


def ov_non_zero(slice_: object) -> object:
    from openvino import opset13 as ops

    return ov_reduced(slice_, ops.convert(ops.non_zero(slice_), "f32"))


def ov_doubling(slice_: object) -> object:
    from openvino import opset13 as ops

    grown = slice_
    for _ in range(30):
        grown = ops.concat([grown, grown], 3)
    return ov_reduced(slice_, grown)


def ov_interpolate(slice_: object) -> object:
    from openvino import opset13 as ops

    sizes, axes = np.array([2**15, 2**15]), np.array([2, 3])
    return ov_reduced(slice_, ops.interpolate(slice_, sizes, "linear_onnx", "sizes", axes=axes))


def ov_loop(slice_: object) -> object:
    import openvino
    from openvino import opset13 as ops

    inner = ops.parameter(list(SHAPE), np.float32)
    go_on = ops.constant(np.array([True]))
    body = openvino.Model([ops.relu(inner), go_on], [inner], "body")
    loop = ops.loop(ops.constant(np.int64(2**40)), ops.constant(np.array(True)))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    relu = body.get_results()[0]
    loop.set_merged_input(inner, slice_.output(0), relu.input_value(0))  # type: ignore[attr-defined]
    return loop.get_iter_value(relu.output(0).get_node().input_value(0), -1)


IR_ATTACKS = [
    ov_broadcast, ov_broadcast_of_bytes, ov_pad, ov_tile, ov_range, ov_random, ov_non_zero, ov_doubling,
    ov_interpolate, ov_loop,
]  # fmt: skip


@pytest.mark.parametrize("attack", IR_ATTACKS, ids=lambda attack: attack.__name__)
def test_an_ir_that_grows_beyond_its_slices_is_refused(attack: Callable[[object], object]) -> None:
    model = ov_model(attack)
    operators = [
        f"{op.get_type_info().version_id}.{op.get_type_info().name}"
        for op in model.get_ordered_ops()  # type: ignore[attr-defined]
    ]
    with pytest.raises(UnsafeModelError):
        miniseg_edge.load(ir_bundle(model, operators), "openvino")


def plain_ir() -> tuple[bytes, bytes]:
    from openvino import opset13 as ops

    return ir_files(
        ov_model(lambda slice_: ops.add(ops.relu(slice_), np.full(4, 2, np.float32).reshape(4, 1, 1, 1)[:1]))
    )


PLAIN = ["opset1.ReLU", "opset1.Add"]

EDITS: dict[str, tuple[bytes, bytes]] = {
    "a declaration with entities": (b"<net ", b'<!DOCTYPE n [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><net '),
    "a comment that hides a layer from one reader": (b"<layers>", b"<layers><!-- -->"),
    "an instruction": (b"<layers>", b"<layers><?a b?>"),
    "two lists of layers": (b"<edges>", b"<layers></layers><edges>"),
    "a layer of an extension": (b'type="ReLU" version="opset1"', b'type="ReLU" version="extension"'),
    "another opset": (b'type="ReLU" version="opset1"', b'type="ReLU" version="opset99"'),
    "a body": (b"</layer>", b"<body></body></layer>"),
    "a stated size that lies": (b"<dim>32</dim>", b"<dim>1073741824</dim>"),
    "a stated output that lies": (b'<port id="1" precision="FP32">', b'<port id="1" precision="FP32"><dim>1</dim>'),
    "weights beyond the file": (b'offset="0"', b'offset="1000000000000"'),
    "weights of another size": (b'size="4"', b'size="8"'),
    "a constant that is larger than its data": (b'shape="1, 1, 1, 1"', b'shape="1, 1, 1024, 1048576"'),
    "two edges to a port": (b"<edges>", b'<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0" />'),
    "an edge to nowhere": (b"<edges>", b'<edges><edge from-layer="0" from-port="0" to-layer="99" to-port="0" />'),
    "another input": (b'names="slice"', b'names="other"'),
    "another broadcast": (b'auto_broadcast="numpy"', b'auto_broadcast="pdpd"'),
    "no XML": (b"</net>", b"</net"),
    "nothing": (b"<net ", b"<other "),
    "a deep nest": (b"<layers>", b"<rt_info>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</rt_info><layers>"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_ir_that_its_readers_could_see_differently_is_refused(edit: tuple[bytes, bytes]) -> None:
    xml, data = plain_ir()
    assert edit[0] in xml
    with pytest.raises((UnsafeModelError, IncompatibleError)):
        miniseg_edge.load(ir_bundle((xml.replace(edit[0], edit[1], 1), data), PLAIN), "openvino")
