"""Folds batch normalisation into the preceding operators.

With scale a = weight / sqrt(running_var + eps) and shift b = bias - a * running_mean, for each channel:
    bn(W x + c) = a W x + (a c + b)
    bn(u + v)   = (a u + b) + a v
Precondition: evaluation mode (running statistics), and nothing between the convolution and the normalisation.
"""

from torch import Tensor, nn

from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.sums import square_root


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A and b, each (channels,) float64."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: PT018, S101
    scale = norm.weight.detach().double() / square_root(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() - scale * norm.running_mean.double()


def normalised(convolution: Convolution, norm: nn.BatchNorm2d) -> Convolution:
    """Bn after the convolution, as one convolution."""
    scale, shift = scale_and_shift(norm)
    return convolution.with_(
        weight=convolution.weight * scale[:, None, None, None], bias=convolution.bias * scale + shift
    )


def normalised_terms(first: Convolution, *others: Convolution, norm: nn.BatchNorm2d) -> tuple[Convolution, ...]:
    """Bn after the sum of convolutions, as convolutions whose sum it is: the shift goes into the first."""
    scale, _ = scale_and_shift(norm)
    rest = tuple(
        other.with_(weight=other.weight * scale[:, None, None, None], bias=other.bias * scale) for other in others
    )
    return (normalised(first, norm), *rest)
