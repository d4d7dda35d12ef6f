import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.batch_norm import normalised, normalised_terms
from tests.export.graph.rewrites.random_parts import (
    CHANNELS,
    SEEDS,
    SIDES,
    assert_equal,
    few,
    image,
    random_convolution,
    random_norm,
)


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, CHANNELS, st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_convolution_then_norm_is_one_convolution(
    seed: int, height: int, width: int, inputs: int, outputs: int, kernel: int, stride: int
) -> None:
    torch.manual_seed(seed)
    conv, norm, x = (
        random_convolution(inputs, outputs, kernel, stride=stride),
        random_norm(outputs),
        image(inputs, height, width),
    )
    assert_equal(normalised(conv, norm)(x), norm(conv(x)).detach())


@few
@given(SEEDS, SIDES, SIDES, CHANNELS)
def test_norm_of_a_sum_goes_into_both_terms(seed: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(seed)
    near = random_convolution(channels, channels, 3, groups=channels)
    far = random_convolution(channels, channels, 3, dilation=2, groups=channels)
    norm, x = random_norm(channels), image(channels, height, width)
    first, second = normalised_terms(near, far, norm=norm)
    assert_equal(first(x) + second(x), norm(near(x) + far(x)).detach())
