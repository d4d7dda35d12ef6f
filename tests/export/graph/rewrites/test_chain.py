import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.chain import composed
from tests.export.graph.rewrites.random_parts import (
    CHANNELS,
    SEEDS,
    SIDES,
    assert_equal,
    few,
    image,
    random_convolution,
)


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, st.sampled_from([1, 2]))
def test_pointwise_then_depthwise_is_dense(
    seed: int, height: int, width: int, inputs: int, channels: int, stride: int
) -> None:
    torch.manual_seed(seed)
    first = random_convolution(inputs, channels, bias=False)
    second = random_convolution(channels, channels, 5, stride=stride, groups=channels)
    x = image(inputs, height, width)
    assert_equal(composed(first, second)(x), second(first(x)))


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, CHANNELS)
def test_pointwise_then_pointwise_carries_the_bias(
    seed: int, height: int, width: int, inputs: int, channels: int, outputs: int
) -> None:
    torch.manual_seed(seed)
    first, second = random_convolution(inputs, channels), random_convolution(channels, outputs)
    x = image(inputs, height, width)
    assert_equal(composed(first, second)(x), second(first(x)))


def test_a_bias_before_zero_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="zero padding"):
        composed(random_convolution(2, 2), random_convolution(2, 2, 3))
