import pytest
import torch
from hypothesis import given

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.export.graph.rewrites.pyramid import cumulative, expanded, spread
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
def test_gates_after_the_fusing_convolution(seed: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(seed)
    outputs = BRANCHES * channels
    fuse = random_convolution(outputs, outputs, groups=BRANCHES, bias=False)
    attention = random_convolution(outputs, BRANCHES, groups=BRANCHES, bias=False)
    own = [image(channels, height, width) for _ in range(BRANCHES)]
    sums = [sum(own[1 : k + 1], own[0]) for k in range(BRANCHES)]
    gates = torch.sigmoid(attention(torch.cat(sums, 1))).chunk(BRANCHES, 1)
    expected = fuse(torch.cat([d + d * gate for d, gate in zip(sums, gates, strict=True)], 1))
    stack = torch.cat(own, 1)
    per_channel = torch.sigmoid(cumulative(expanded(attention, channels))(stack))
    assert_equal(cumulative(fuse)(stack) * (1 + per_channel), expected)
    four = torch.sigmoid(cumulative(attention)(stack))
    assert_equal(cumulative(fuse)(stack) * (1 + spread(channels)(four)), expected)


@few
@given(SEEDS, SIDES, SIDES, CHANNELS)
def test_expanded_gates_need_no_slicing(seed: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(seed)
    attention = random_convolution(BRANCHES * channels, BRANCHES, groups=BRANCHES)
    x = image(BRANCHES * channels, height, width)
    gates = attention(x).repeat_interleave(channels, 1)
    assert_equal(expanded(attention, channels)(x), gates)
    assert_equal(spread(channels)(attention(x)), gates)


def test_sums_do_not_pass_kernels() -> None:
    with pytest.raises(ValueError, match="1x1"):
        cumulative(random_convolution(4, 4, 3))
