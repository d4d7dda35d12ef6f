from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from miniseg_edge.export.quantization.observation import Ranges
from miniseg_edge.export.quantization.rounding import LEAST_STEP
from miniseg_edge.export.quantization.scheme import CPUS, TENSOR_CORES
from miniseg_edge.export.quantization.steps import steps_of

ENDS = st.floats(-1e4, 1e4, allow_nan=False, width=32)


def moved() -> onnx.ModelProto:
    """A slice that is moved about, and then worked on."""
    nodes = [
        helper.make_node("Pad", ["slice", "pads"], ["padded"]),
        helper.make_node("Transpose", ["padded"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("Abs", ["turned"], ["worked"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("slice", "worked")]
    return helper.make_model(helper.make_graph(nodes, "moved", ends[:1], ends[1:]))


def seen(low: float, high: float) -> Ranges:
    return Ranges(np.array([[low], [low]]), np.array([[high], [high]]))


@given(low=ENDS, high=ENDS)
def test_unsigned_integers_hold_0_and_the_range(low: float, high: float) -> None:
    low, high = sorted((low, high))
    step = steps_of(moved(), {"worked": seen(low, high)}, CPUS, grey=True)["worked"]
    scale, zero = step.constants
    assert (scale.dtype, zero.dtype) == (np.dtype("float32"), np.dtype("uint8"))
    ends = [(integer - step.zero) * step.scale for integer in (0, 255)]
    wanted = min(low, 0), max(high, 0)
    for end, reached in zip(wanted, ends, strict=True):
        assert abs(reached) >= 0.91 * abs(end) - 255 * LEAST_STEP
    assert step.scale <= 1.42 * max(-wanted[0], wanted[1]) / 119 + 2 * LEAST_STEP
    assert step.zero % 8 == 0 or step.zero == 255
    assert step.scale >= LEAST_STEP


@given(low=ENDS, high=ENDS)
def test_signed_integers_reach_the_end_that_is_further_away(low: float, high: float) -> None:
    low, high = sorted((low, high))
    step = steps_of(moved(), {"worked": seen(low, high)}, TENSOR_CORES, grey=True)["worked"]
    scale, zero = step.constants
    assert (scale.dtype, zero.dtype, int(zero)) == (np.dtype("float32"), np.dtype("int8"), 0)
    fits = max(-low, high, 0) / 127
    assert 0.91 * fits <= step.scale <= 1.31 * fits + 2 * LEAST_STEP


def step_up_to(high: float) -> float:
    return steps_of(moved(), {"worked": seen(0.0, high)}, CPUS, grey=True)["worked"].scale


@given(high=st.floats(0.01, 1e4), share=st.floats(-0.02, 0.02))
def test_ranges_that_hardly_differ_have_steps_that_are_equal_or_neighbours(high: float, share: float) -> None:
    ratio = step_up_to(high) / step_up_to(high * (1 + share))
    assert any(ratio == pytest.approx(wanted, rel=3e-3) for wanted in (1, 2**0.5, 2**-0.5))


def test_most_ranges_have_the_step_of_one_that_is_2_percent_wider() -> None:
    ranges = np.geomspace(1, 16, 400)
    assert np.mean([step_up_to(high) == step_up_to(1.02 * high) for high in ranges]) > 0.9


@given(low=ENDS, high=ENDS)
def test_no_step_is_1(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert steps_of(moved(), {"worked": seen(low, high)}, CPUS, grey=True)["worked"].scale != 1


@pytest.mark.parametrize(("scheme", "grey"), [(CPUS, True), (CPUS, False), (TENSOR_CORES, True)])
def test_a_grey_slice_is_taken_as_it_is_where_bytes_hold_it(scheme: Any, grey: bool) -> None:
    ranges = {name: seen(10.0, 200.0) for name in ("slice", "padded", "turned", "worked")}
    steps = steps_of(moved(), ranges, scheme, grey=grey)
    as_it_is = {name for name, step in steps.items() if step.zero == 0 and step.scale == 1 + 2**-16}
    assert as_it_is == ({"slice", "padded", "turned"} if grey and scheme is CPUS else set())
