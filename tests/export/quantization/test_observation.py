from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest

from miniseg_edge.export.graph.forms import DIRECT, PACKED
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.quantization.constants import constants_of
from miniseg_edge.export.quantization.equalisation import branches_of, equalised
from miniseg_edge.export.quantization.exact.evaluator import Evaluator, attributes_of
from miniseg_edge.export.quantization.exact.operators import Array, patches
from miniseg_edge.export.quantization.groups import groups_of
from miniseg_edge.export.quantization.observation import Observation, Ranges, observed
from miniseg_edge.slices.preprocessing import FloatArray
from tests.export.quantization.by_hand import graph_by_hand, inputs
from tests.export.quantization.networks import SIZE, graph

MODELS = [
    pytest.param(graph_by_hand, inputs(3), id="by hand"),
    pytest.param(lambda: graph(DIRECT), inputs(3, SIZE), id="direct", marks=pytest.mark.slow),
    pytest.param(lambda: graph(PACKED), inputs(3, SIZE), id="packed", marks=pytest.mark.slow),
]


def everything(model: onnx.ModelProto, slices: Sequence[FloatArray]) -> Observation:
    names = {name for group in groups_of(model).values() for name in group}
    return observed(model, branches_of(model), names, slices).together()


def values_of(model: onnx.ModelProto, tensor: str, slices: Sequence[FloatArray]) -> list[Array]:
    """A tensor on each slice."""
    run, found = Evaluator(model, {tensor}), []
    for value in slices:
        run(value, lambda _, values: found.append(values))
    return found


@pytest.mark.parametrize(("made", "slices"), MODELS)
def test_ranges_and_moments_are_those_of_the_values(
    made: Callable[[], OnnxModel], slices: Sequence[FloatArray]
) -> None:
    model = onnx.load_from_string(made().data)
    seen, weights = everything(model, slices), constants_of(model)
    nodes = {node.name: node for node in model.graph.node}
    assert len(seen.moments) > 6
    for name in seen.moments:
        node = nodes[name]
        values = values_of(model, node.input[0], slices)
        ranges = seen.ranges[node.input[0]]
        assert np.array_equal(ranges.low, [one[0].min(axis=(1, 2)) for one in values])
        assert np.array_equal(ranges.high, [one[0].max(axis=(1, 2)) for one in values])
        kernel = weights[node.input[1]].shape[2:]
        rows = np.concatenate([patches(one[0], kernel, attributes_of(node)) for one in values], 1).astype(np.float64)
        size = np.abs(rows).max()
        assert np.allclose(seen.moments[name].mean, rows.mean(axis=1), atol=1e-4 * size)
        assert np.allclose(seen.moments[name].covariance, np.cov(rows, bias=True), atol=1e-4 * size**2)


@pytest.mark.parametrize(("made", "slices"), MODELS)
def test_after_equalising_it_is_what_would_be_observed(
    made: Callable[[], OnnxModel], slices: Sequence[FloatArray]
) -> None:
    model = onnx.load_from_string(made().data)
    after, derived = equalised(model, everything(model, slices))
    direct = everything(after, slices)
    assert derived.moments.keys() == direct.moments.keys()
    for name, ranges in direct.ranges.items():
        assert np.allclose(derived.ranges[name].low, ranges.low, rtol=1e-4, atol=1e-5)
        assert np.allclose(derived.ranges[name].high, ranges.high, rtol=1e-4, atol=1e-5)
    for name, moments in direct.moments.items():
        size = np.sqrt(np.diag(moments.covariance) + moments.mean**2)
        assert (np.abs(derived.moments[name].mean - moments.mean) <= 1e-4 * size + 1e-6).all()
        scale = np.multiply.outer(size, size) + 1e-6
        assert (np.abs(derived.moments[name].covariance - moments.covariance) <= 1e-3 * scale).all()


def test_a_range_is_the_mean_of_the_slices() -> None:
    ranges = Ranges(np.array([[-1.0, 0.0], [-3.0, -5.0]]), np.array([[2.0, 7.0], [1.0, 1.0]]))
    assert ranges.mean == (-3.0, 4.0)
    assert ranges.peaks.tolist() == [3.0, 7.0]
    assert ranges.divided(np.array([2.0, 4.0])).peaks.tolist() == [1.5, 1.75]


def test_the_order_of_the_slices_is_the_only_one_that_matters() -> None:
    """Threads that come first change nothing."""
    model = onnx.load_from_string(graph_by_hand().data)
    first, second = everything(model, inputs(3)), everything(model, inputs(3))
    for name, moments in first.moments.items():
        assert np.array_equal(moments.covariance, second.moments[name].covariance)
        assert np.array_equal(moments.mean, second.moments[name].mean)
