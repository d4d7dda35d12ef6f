"""The exchange between stages, folded into the 1x1 convolutions of the next stage's first blocks.

With y = concat(long, out), E and b the normalised exchange, E_l and E_r its halves, P = [I 0] and Q = [0 I]:
    l + long = (E_l + P) y + b_l,   r + out = (E_r + Q) y + b_r
and the next stage only reads K_long (l + long) and K_down (r + out), its blocks' first 1x1 convolutions, so each is
one 1x1 convolution of y.
Precondition: neither half is read by anything else, and the next blocks begin with a 1x1 convolution.
"""

import torch

from miniseg_edge.export.graph.rewrites.chain import composed
from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.parallel import halves_of_output


def with_residuals(exchange: Convolution) -> tuple[Convolution, Convolution]:
    """(l + long, r + out) as dense 1x1 convolutions of concat(long, out)."""
    left, right = halves_of_output(exchange)
    identity = torch.eye(exchange.inputs, dtype=torch.float64)[:, :, None, None]
    first, second = identity.chunk(2)
    return left.with_(weight=left.weight + first), right.with_(weight=right.weight + second)


def entries_through(exchange: Convolution, long: Convolution, down: Convolution) -> tuple[Convolution, Convolution]:
    """The next stage's two 1x1 convolutions, reading concat(long, out) of the stage before."""
    left, right = with_residuals(exchange)
    return composed(left, long), composed(right, down)
