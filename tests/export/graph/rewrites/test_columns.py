import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from miniseg_edge.export.graph.rewrites.columns import PackedConvolution, pack, packed_join, packed_weight, unpack
from tests.export.graph.rewrites.random_parts import (
    CHANNELS,
    SEEDS,
    SIDES,
    assert_equal,
    few,
    image,
    random_convolution,
)

BLOCKS = st.sampled_from([1, 2, 3, 4])


@few
@given(
    SEEDS, st.integers(1, 9), st.integers(1, 4), BLOCKS, CHANNELS, CHANNELS, st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2]), st.sampled_from([None, 0.7]),
)  # fmt: skip
def test_a_packed_convolution_is_the_convolution(
    seed: int, height: int, blocks: int, columns: int, inputs: int, outputs: int, kernel: int, stride: int,
    border: float | None,
) -> None:  # fmt: skip
    torch.manual_seed(seed)
    conv = random_convolution(inputs, outputs, kernel, stride=stride)
    x = image(inputs, stride * height, stride * columns * blocks)
    packed = PackedConvolution(conv, columns, nn.Identity(), torch.float64, border)
    # The convolution pads with zeros; shifted by the border's value, that is the border.
    shift = 0.0 if border is None else border
    constant = conv.weight.sum((1, 2, 3))[None, :, None, None] * shift
    expected = conv(x - shift) + constant
    assert_equal(unpack(packed(x), columns), expected)


@few
@given(SEEDS, SIDES, st.integers(1, 4), BLOCKS, CHANNELS, CHANNELS, st.sampled_from([1, 3]))
def test_packed_input_is_taken_as_it_is(
    seed: int, height: int, blocks: int, columns: int, inputs: int, outputs: int, kernel: int
) -> None:
    torch.manual_seed(seed)
    conv, x = random_convolution(inputs, outputs, kernel), image(inputs, height, columns * blocks)
    packed = PackedConvolution(conv, columns, nn.Identity(), torch.float64)
    assert_equal(packed(pack(x, columns)), pack(conv(x), columns))


@few
@given(SEEDS, SIDES, st.integers(1, 4), BLOCKS, CHANNELS, CHANNELS, CHANNELS)
def test_tensors_are_packed_first_and_joined_then(
    seed: int, height: int, blocks: int, columns: int, first: int, second: int, outputs: int
) -> None:
    torch.manual_seed(seed)
    conv = random_convolution(first + second, outputs)
    x, y = image(first, height, columns * blocks), image(second, height, columns * blocks)
    found = packed_join(conv, [first, second], columns)(torch.cat([pack(x, columns), pack(y, columns)], 1))
    assert_equal(found, pack(conv(torch.cat([x, y], 1)), columns))


def test_packing_reads_channels_last_memory_in_another_shape() -> None:
    x = image(3, 4, 6).contiguous(memory_format=torch.channels_last)
    assert pack(x, 2).data_ptr() == x.data_ptr()
    torch.testing.assert_close(pack(x, 2)[:, 3:], x[:, :, :, 1::2])


def test_dilated_and_grouped_convolutions_are_refused() -> None:
    for conv in (random_convolution(2, 2, 3, dilation=2), random_convolution(2, 2, 3, groups=2)):
        with pytest.raises(ValueError, match="packed"):
            packed_weight(conv, 2)


def test_zero_padding_is_what_the_border_is_without_one() -> None:
    conv, x = random_convolution(1, 2, 3), image(1, 3, 4)
    packed = PackedConvolution(conv, 2, nn.Identity(), torch.float64, 0.0)
    assert_equal(unpack(packed(x), 2), F.conv2d(x, conv.weight, conv.bias, padding=1))
