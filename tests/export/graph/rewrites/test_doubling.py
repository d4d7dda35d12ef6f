import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from miniseg_edge.export.graph.forms import Doubling
from miniseg_edge.export.graph.rewrites.doubling import Phases, Rows, Transposed
from miniseg_edge.export.graph.rewrites.upsampling import Upsampling
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
@given(SEEDS, SIDES, SIDES, CHANNELS)
def test_doubling_is_bilinear_to_the_last_pixel(seed: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(seed)
    x = image(channels, height, width)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    dtype = torch.float64
    modules: list[nn.Module] = [Phases(channels, dtype), Transposed(channels, dtype), Rows(channels, width, dtype)]
    for module in modules:
        assert_equal(module(x), expected)


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, SIDES, SIDES)
def test_pointwise_convolutions_and_upsampling_commute(
    seed: int, height: int, width: int, inputs: int, outputs: int, tall: int, wide: int
) -> None:
    torch.manual_seed(seed)
    conv, x = random_convolution(inputs, outputs), image(inputs, height, width)
    upsampling = Upsampling(inputs, (height, width), (tall, wide), "interpolate", torch.float64)
    like = image(1, tall, wide)
    assert_equal(upsampling(conv(x), like), conv(upsampling(x, like)))


@pytest.mark.parametrize("doubling", ["interpolate", "phases", "transposed", "rows"])
@pytest.mark.parametrize("after", [(10, 14), (9, 14), (10, 13), (9, 13)])
def test_other_sizes_are_interpolated(doubling: Doubling, after: tuple[int, int]) -> None:
    x = image(3, 5, 7)
    found = Upsampling(3, (5, 7), after, doubling, torch.float64)
    assert (found.doubled is not None) == (after == (10, 14) and doubling != "interpolate")
    assert_equal(found(x, x), F.interpolate(x, after, mode="bilinear", align_corners=False))
