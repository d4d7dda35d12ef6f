"""A kernel on another grid of taps, with zeros between and around, so that kernels of different shapes can be merged.

    tap t of the old kernel lies at offset t d, which is tap t d / d' of a grid of dilation d'
Precondition: d' divides d, and the new grid reaches as far as the old one. The zero padding grows with the grid.
"""

import torch

from miniseg_edge.export.graph.rewrites.convolution import Convolution


def on_grid(convolution: Convolution, kernel: int, dilation: int = 1) -> Convolution:
    """The same convolution with `kernel` taps a side, `dilation` apart."""
    step, odd = divmod(convolution.dilation, dilation) if convolution.kernel > 1 else (1, 0)
    reach = step * (convolution.kernel // 2)
    if odd or reach > kernel // 2:
        raise ValueError(f"{convolution.kernel} taps {convolution.dilation} apart are not on that grid")
    weight = torch.zeros(*convolution.weight.shape[:2], kernel, kernel, dtype=torch.float64)
    first, end = kernel // 2 - reach, kernel // 2 + reach + 1
    weight[:, :, first:end:step, first:end:step] = convolution.weight
    return convolution.with_(weight=weight, dilation=dilation)


def common_grid(*convolutions: Convolution) -> tuple[Convolution, ...]:
    """Each on the smallest undilated grid that holds all."""
    kernel = 2 * max(c.padding for c in convolutions) + 1
    return tuple(on_grid(c, kernel) for c in convolutions)
