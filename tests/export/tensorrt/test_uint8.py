from functools import cache

import numpy as np
import onnx
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.compiled import ShapeRange
from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.graph.forms import DIRECT
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, onnx_from_graph
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.export.tensorrt.engine_from_onnx import EngineTask, engine_from_onnx
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT
from miniseg_edge.export.tensorrt.uint8 import uint8_at_the_end
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.tensors import NOT_FINITE, GraphInterface, TensorSpec
from tests.conftest import STATISTICS, random_network
from tests.export.tensorrt.test_half import run, single

SIZE = (32, 48)
SEEDS = {2: 10, 3: 164}
"""Of networks that draw every class."""


@cache
def masks(classes: int, *, dynamic: bool = False) -> tuple[OnnxModel, TensorSpec, TensorSpec]:
    """An ONNX that takes HU and gives masks."""
    interface = GraphInterface(values="hu", result="mask", dynamic_batch=dynamic, dynamic_size=dynamic)
    architecture = Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0), classes=classes)
    feeding = Feeding(STATISTICS, interface, Window(-1250.0, 250.0))
    graph = rewritten(random_network(architecture, SEEDS[classes]), feeding, DIRECT, SIZE)
    input_, output = interface.input(SIZE), interface.output(SIZE, classes)
    return onnx_from_graph(graph, input_, output, size=SIZE), input_, output


@pytest.mark.parametrize("classes", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_masks_stay_the_same_to_the_last_pixel(classes: int) -> None:
    model, input_, output = masks(classes)
    changed = uint8_at_the_end(model, input_, output)
    hu = np.random.default_rng(3).uniform(-1500, 500, (1, 1, *SIZE)).astype(np.float32)
    expected = run(model.data, hu)
    assert len(np.unique(expected)) == classes, "a mask of one class would hide much"
    np.testing.assert_array_equal(run(changed.data, hu), expected)
    hu[0, 0, 5, 7] = np.nan
    unknown = run(model.data, hu)
    assert NOT_FINITE in unknown
    np.testing.assert_array_equal(run(changed.data, hu), unknown)


def test_a_graph_that_gives_logits_is_left_alone() -> None:
    model, input_, output = single()
    assert uint8_at_the_end(model, input_, output) is model


def test_nothing_but_the_output_is_uint8() -> None:
    found = onnx.shape_inference.infer_shapes(onnx.load_from_string(uint8_at_the_end(*masks(3)).data)).graph
    kinds = [v.type.tensor_type.elem_type for v in found.value_info] + [w.data_type for w in found.initializer]
    assert onnx.TensorProto.UINT8 not in kinds


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(("classes", "dynamic"), [(2, False), (3, True)])
def test_the_vendor_builds_what_gives_masks(classes: int, dynamic: bool, precision: str) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    model, input_, output = masks(classes, dynamic=dynamic)
    typed = uint8_at_the_end(model, input_, output)
    if precision == "fp16":
        typed = half_from_onnx(typed, input_, output)
    shapes = ShapeRange((1, 1, 16, 16), (1, 1, *SIZE), (8, 1, 128, 128)) if dynamic else None
    task = EngineTask(typed.data, precision, input_, output, shapes)
    assert len(engine_from_onnx(TENSORRT_RTX, task, BY_DEFAULT, lambda said: None).data) > 100_000
