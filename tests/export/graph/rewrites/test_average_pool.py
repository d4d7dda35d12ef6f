import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from miniseg_edge.export.graph.rewrites.average_pool import with_average
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
@given(SEEDS, SIDES, SIDES, CHANNELS, st.sampled_from([1, 2]))
def test_pooling_beside_a_depthwise_convolution_is_part_of_it(
    seed: int, height: int, width: int, channels: int, stride: int
) -> None:
    torch.manual_seed(seed)
    conv, x = random_convolution(channels, channels, 3, stride=stride, groups=channels), image(channels, height, width)
    assert_equal(with_average(conv)(x), conv(x) + nn.AvgPool2d(3, stride, 1)(x))


@pytest.mark.parametrize(("kernel", "dilation", "groups"), [(5, 1, 2), (3, 2, 2), (3, 1, 1)])
def test_other_convolutions_are_refused(kernel: int, dilation: int, groups: int) -> None:
    with pytest.raises(ValueError, match="averages"):
        with_average(random_convolution(2, 2, kernel, dilation=dilation, groups=groups))
