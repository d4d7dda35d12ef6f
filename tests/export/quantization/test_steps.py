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
        assert abs(reached - end) <= 1.01 * step.scale + 255 * LEAST_STEP
    further = max(range(2), key=lambda index: abs(wanted[index]))
    assert abs(ends[further]) == pytest.approx(abs(wanted[further]), rel=1e-6, abs=255 * LEAST_STEP)
    assert step.scale >= LEAST_STEP


@given(low=ENDS, high=ENDS)
def test_signed_integers_reach_the_end_that_is_further_away(low: float, high: float) -> None:
    low, high = sorted((low, high))
    step = steps_of(moved(), {"worked": seen(low, high)}, TENSOR_CORES, grey=True)["worked"]
    scale, zero = step.constants
    assert (scale.dtype, zero.dtype, int(zero)) == (np.dtype("float32"), np.dtype("int8"), 0)
    assert step.scale == pytest.approx(max(-low, high, 0) / 127, rel=1e-6, abs=LEAST_STEP)


@pytest.mark.parametrize(("scheme", "grey"), [(CPUS, True), (CPUS, False), (TENSOR_CORES, True)])
def test_a_grey_slice_is_taken_as_it_is_where_bytes_hold_it(scheme: Any, grey: bool) -> None:
    ranges = {name: seen(10.0, 200.0) for name in ("slice", "padded", "turned", "worked")}
    steps = steps_of(moved(), ranges, scheme, grey=grey)
    as_it_is = {name for name, step in steps.items() if step.zero == 0 and step.scale == 1 + 2**-16}
    assert as_it_is == ({"slice", "padded", "turned"} if grey and scheme is CPUS else set())
