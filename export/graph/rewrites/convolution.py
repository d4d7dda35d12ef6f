"""A convolution as a value, the input and output of the rewrites."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Convolution:
    """A two-dimensional convolution with a square, odd kernel and "same" zero padding.

    Attributes:
        weight: (o, i / groups, k, k) float64, so that rewrites lose nothing that float32 would keep.
        bias: (o,) float64; zeros where the network has none.
        stride: same for both axes.
        dilation: same for both axes.
        groups: 1 for dense, o for depthwise.
    """

    weight: Tensor
    bias: Tensor
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        outputs, _, height, width = self.weight.shape
        if height != width or height % 2 == 0 or self.bias.shape != (outputs,) or outputs % self.groups:
            raise ValueError(f"unsupported convolution: {tuple(self.weight.shape)}, groups {self.groups}")

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        """Input channels."""
        return self.weight.shape[1] * self.groups

    @property
    def kernel(self) -> int:
        """Taps a side."""
        return self.weight.shape[2]

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return self.dilation * (self.kernel // 2)

    @property
    def depthwise(self) -> bool:
        """Whether each channel is filtered by itself."""
        return self.groups == self.inputs == self.outputs

    @property
    def pointwise(self) -> bool:
        """Whether it is a dense 1x1 convolution of stride 1: a matrix for each pixel."""
        return self.kernel == 1 and self.groups == 1 and self.stride == 1

    def with_(self, **changes: object) -> "Convolution":
        """A copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __call__(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H / stride, W / stride)."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def module(self, dtype: torch.dtype) -> nn.Conv2d:
        """The same as a module, in the graph's precision; without a bias that would only add zeros."""
        biased = bool(self.bias.any())
        found = nn.Conv2d(
            self.inputs, self.outputs, self.kernel, self.stride, self.padding, self.dilation, self.groups, biased,
            dtype=dtype,
        )  # fmt: skip
        with torch.no_grad():
            found.weight.copy_(self.weight)
            if found.bias is not None:
                found.bias.copy_(self.bias)
        return found.requires_grad_(False)


def convolution_from(module: nn.Conv2d) -> Convolution:
    """A module's value. Raises: ValueError if its padding is not the "same" zero padding that rewrites require."""
    weight = module.weight.detach().double()
    bias = torch.zeros(len(weight), dtype=torch.float64) if module.bias is None else module.bias.detach().double()
    found = Convolution(weight, bias, module.stride[0], module.dilation[0], module.groups)
    if module.padding != (found.padding, found.padding) or module.padding_mode != "zeros":
        raise ValueError(f"no zero padding to the same size: {module}")
    return found


def matrix_of(convolution: Convolution) -> Tensor:
    """(o, i) of a dense 1x1 convolution."""
    if not convolution.pointwise:
        raise ValueError("no dense 1x1 convolution")
    return convolution.weight[:, :, 0, 0]
