import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.grey_input import grey
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
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, st.sampled_from([1, 3, 5]))
def test_equal_channels_are_one(seed: int, height: int, width: int, inputs: int, outputs: int, kernel: int) -> None:
    torch.manual_seed(seed)
    conv, x = random_convolution(inputs, outputs, kernel, stride=2), image(1, height, width)
    assert_equal(grey(conv)(x), conv(x.expand(-1, inputs, -1, -1)))


def test_grouped_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="dense"):
        grey(random_convolution(2, 2, 3, groups=2))
