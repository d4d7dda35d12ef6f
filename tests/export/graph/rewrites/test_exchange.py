import torch
from hypothesis import given

from miniseg_edge.export.graph.rewrites.exchange import entries_through, with_residuals
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
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, CHANNELS)
def test_exchange_residuals_and_entries_are_two_matrices(
    seed: int, height: int, width: int, channels: int, narrow: int, wide: int
) -> None:
    torch.manual_seed(seed)
    exchange = random_convolution(2 * channels, 2 * channels)
    side, main = random_convolution(channels, wide, bias=False), random_convolution(channels, narrow, bias=False)
    long, out = image(channels, height, width), image(channels, height, width)
    both = torch.cat([long, out], 1)
    left, right = exchange(both).chunk(2, 1)
    for found, expected in zip(with_residuals(exchange), (left + long, right + out), strict=True):
        assert_equal(found(both), expected)
    to_side, to_main = entries_through(exchange, side, main)
    assert_equal(to_side(both), side(left + long))
    assert_equal(to_main(both), main(right + out))
