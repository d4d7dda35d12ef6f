"""Counts the arithmetic that a graph needs for one slice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_FORWARD = (torch.conv2d, torch.nn.functional.conv2d)
_TRANSPOSED = (torch.conv_transpose2d, torch.nn.functional.conv_transpose2d)


class _Multiplications(TorchFunctionMode):
    """Counts while a graph runs.

    A convolution uses each weight once per output pixel, a transposed one per input pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in (*_FORWARD, *_TRANSPOSED):
            over: Tensor = found if func in _FORWARD else args[0]
            self.total += int(torch.count_nonzero(args[1])) * over.shape[2] * over.shape[3]
        return found


def multiplications(graph: nn.Module, channels: int, size: tuple[int, int]) -> int:
    """Multiplications of its convolutions by non-zero weights, for one slice (channels, *size).

    Zeros that a form adds to fill registers are not counted, so that all forms of one network have the same arithmetic.
    """
    with torch.inference_mode(), _Multiplications() as counted:
        graph(torch.zeros(1, channels, *size))
    total: int = counted.total
    return total
