import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.tap_grid import common_grid, on_grid
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
@given(
    SEEDS, SIDES, SIDES, CHANNELS, st.sampled_from([1, 2]),
    st.sampled_from([(1, 1, 3, 1), (3, 1, 5, 1), (3, 2, 5, 1), (3, 4, 5, 4), (3, 8, 5, 4), (1, 1, 5, 4)]),
)  # fmt: skip
def test_the_same_taps_on_another_grid(
    seed: int, height: int, width: int, channels: int, stride: int, grids: tuple[int, int, int, int]
) -> None:
    torch.manual_seed(seed)
    kernel, dilation, new_kernel, new_dilation = grids
    conv = random_convolution(channels, channels, kernel, stride=stride, dilation=dilation, groups=channels)
    found, x = on_grid(conv, new_kernel, new_dilation), image(channels, height, width)
    assert (found.kernel, found.dilation) == (new_kernel, new_dilation)
    assert_equal(found(x), conv(x))


def test_the_common_grid_is_the_smallest() -> None:
    found = common_grid(random_convolution(2, 2, 3), random_convolution(2, 2, 3, dilation=2))
    assert [(c.kernel, c.dilation) for c in found] == [(5, 1), (5, 1)]


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 2)])
def test_taps_off_the_grid_are_refused(kernel: int, dilation: int) -> None:
    with pytest.raises(ValueError, match="grid"):
        on_grid(random_convolution(1, 1, 3, dilation=3), kernel, dilation)
