"""The AHSP pyramid behind its branches: cumulative sums, gates and fusion as two matrices for each pixel.

With e_k the branches' own convolutions, d_k = e_1 + .. + e_k, attention rows v_k and fusing matrices U_k:
    fused_k  = U_k (d_k + d_k * sigmoid(v_k d_k)) = (U_k d_k) * (1 + sigmoid(v_k d_k))
since the gate is one number for all channels of its branch. Both U_k d_k and v_k d_k are linear in
e = concat(e_1, .., e_4), so with L the block lower triangle of copies
    out = F e * (1 + sigmoid(G e)),   F = diag(U) L,   G = rows of diag(v) repeated n times, times L
Precondition: attention and fusion are grouped 1x1 convolutions, one group for each branch.
"""

import torch

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.grouped import dense
from miniseg_edge.export.graph.rewrites.sums import in_order


def cumulative(convolution: Convolution) -> Convolution:
    """A 1x1 convolution of concat(d_1, .., d_4), dense, reading concat(e_1, .., e_4) instead."""
    if convolution.kernel != 1:
        raise ValueError("sums of branches pass 1x1 convolutions")
    weight = dense(convolution).weight
    branches = weight.reshape(len(weight), BRANCHES, -1, 1, 1)
    from_last = torch.stack([in_order(branches[:, k:].unbind(1)[::-1]) for k in range(BRANCHES)], 1)
    return convolution.with_(weight=from_last.reshape(weight.shape), groups=1)


def expanded(attention: Convolution, width: int) -> Convolution:
    """The four gates as one for each channel: every row `width` times, dense."""
    found = dense(attention)
    return found.with_(weight=found.weight.repeat_interleave(width, 0), bias=found.bias.repeat_interleave(width, 0))


def spread(width: int) -> Convolution:
    """The 1x1 convolution that copies each of the four gates to the `width` channels of its branch."""
    weight = torch.eye(BRANCHES, dtype=torch.float64).repeat_interleave(width, 0)
    return Convolution(weight[:, :, None, None], torch.zeros(len(weight), dtype=torch.float64))
