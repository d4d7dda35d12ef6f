"""A first layer for one grey channel.

    sum_c W_c x = (sum_c W_c) x
Precondition: all input channels hold the same image, as the published evaluation feeds a grey slice. The image is
normalised before the layer: its zero padding is then zero in every channel, in both forms.
"""

import torch

from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.sums import in_order


def grey(convolution: Convolution) -> Convolution:
    """The dense convolution of equal input channels, reading one of them."""
    if convolution.groups != 1:
        raise ValueError("a first layer is dense")
    return convolution.with_(weight=in_order(torch.split(convolution.weight, 1, 1)))
