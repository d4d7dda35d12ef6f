import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from miniseg_edge.export.graph.rewrites.convolution import Convolution, convolution_from, matrix_of
from tests.export.graph.rewrites.random_parts import SEEDS, SIDES, assert_equal, few, image, random_convolution


@few
@given(
    SEEDS, SIDES, SIDES, st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]), st.sampled_from([1, 2, 4]), st.booleans()
)
def test_module_and_value_are_the_same(
    seed: int, height: int, width: int, kernel: int, stride: int, dilation: int, bias: bool
) -> None:
    torch.manual_seed(seed)
    conv = random_convolution(4, 6, kernel, stride=stride, dilation=dilation, groups=2, bias=bias)
    module, x = conv.module(torch.float64), image(4, height, width)
    assert (module.bias is not None) == bias
    assert_equal(module(x), conv(x))
    assert_equal(convolution_from(module)(x), conv(x))


def test_only_same_zero_padding_is_read() -> None:
    for module in (nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate")):
        with pytest.raises(ValueError, match="padding"):
            convolution_from(module)


def test_impossible_convolutions_are_refused() -> None:
    with pytest.raises(ValueError, match="unsupported"):
        Convolution(torch.zeros(2, 2, 2, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="1x1"):
        matrix_of(random_convolution(2, 2, 3))
