import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.parallel import halves_of_output, side_by_side, stacked, summed
from miniseg_edge.export.graph.rewrites.tap_grid import common_grid
from tests.export.graph.rewrites.random_parts import (
    CHANNELS,
    SEEDS,
    SIDES,
    assert_equal,
    few,
    image,
    random_convolution,
)

STRIDES = st.sampled_from([1, 2])


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, STRIDES)
def test_a_sum_is_one_convolution(seed: int, height: int, width: int, channels: int, stride: int) -> None:
    torch.manual_seed(seed)
    near = random_convolution(channels, channels, 3, stride=stride, groups=channels)
    far = random_convolution(channels, channels, 3, stride=stride, dilation=2, groups=channels)
    x = image(channels, height, width)
    assert_equal(summed(*common_grid(near, far))(x), near(x) + far(x))


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, CHANNELS, STRIDES)
def test_a_concatenation_of_outputs_is_one_convolution(
    seed: int, height: int, width: int, inputs: int, first: int, second: int, stride: int
) -> None:
    torch.manual_seed(seed)
    large, small = (
        random_convolution(inputs, first, 5, stride=stride),
        random_convolution(inputs, second, 3, stride=stride),
    )
    x = image(inputs, height, width)
    assert_equal(side_by_side(*common_grid(large, small))(x), torch.cat([large(x), small(x)], 1))


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, STRIDES)
def test_depthwise_convolutions_of_several_tensors_stack(
    seed: int, height: int, width: int, first: int, second: int, stride: int
) -> None:
    torch.manual_seed(seed)
    near = random_convolution(first, first, 3, stride=stride, groups=first)
    far = random_convolution(second, second, 3, stride=stride, dilation=2, groups=second)
    x, y = image(first, height, width), image(second, height, width)
    found = stacked(*common_grid(near, far))(torch.cat([x, y], 1))
    assert_equal(found, torch.cat([near(x), far(y)], 1))


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS)
def test_halves_of_the_output_are_convolutions(seed: int, height: int, width: int, inputs: int, half: int) -> None:
    torch.manual_seed(seed)
    conv, x = random_convolution(inputs, 2 * half), image(inputs, height, width)
    for found, expected in zip(halves_of_output(conv), conv(x).chunk(2, 1), strict=True):
        assert_equal(found(x), expected)


def test_what_differs_is_refused() -> None:
    dense, depthwise = random_convolution(2, 2, 3), random_convolution(2, 2, 3, groups=2)
    with pytest.raises(ValueError, match="differ"):
        summed(dense, random_convolution(2, 2, 5))
    with pytest.raises(ValueError, match="side by side"):
        side_by_side(depthwise, depthwise)
    with pytest.raises(ValueError, match="stack"):
        stacked(dense, depthwise)
    with pytest.raises(ValueError, match="halves"):
        halves_of_output(random_convolution(2, 3))
