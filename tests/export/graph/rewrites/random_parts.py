"""Random layers in float64, as uneven as trained ones, and the agreement that rewrites are held to."""

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn

from miniseg_edge.export.graph.rewrites.convolution import Convolution

SEEDS = st.integers(0, 2**31 - 1)
SIDES = st.integers(1, 19)
CHANNELS = st.integers(1, 7)

few = settings(max_examples=25, deadline=None)
"""Examples enough for every combination of small parameters, few enough for a fast suite."""


def random_convolution(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> Convolution:
    weight = torch.randn(outputs, inputs // groups, kernel, kernel, dtype=torch.float64)
    found_bias = torch.randn(outputs, dtype=torch.float64) if bias else torch.zeros(outputs, dtype=torch.float64)
    return Convolution(weight, found_bias, stride, dilation, groups)


def random_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).double().eval()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.1, 3.0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def image(channels: int, height: int, width: int) -> Tensor:
    return torch.randn(2, channels, height, width, dtype=torch.float64)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    """To 1e-9 of the largest value."""
    assert found.shape == expected.shape
    scale = float(expected.abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * max(scale, 1e-30))
