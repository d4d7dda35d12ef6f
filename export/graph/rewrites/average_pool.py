"""Folds average pooling into the depthwise convolution parallel to it.

    dw(x) + avgpool3x3(x) = (w + 1/9) * x
Precondition: both 3x3, of one stride and padding 1, the padding counted in the average, dilation 1.
"""

from miniseg_edge.export.graph.rewrites.convolution import Convolution


def with_average(convolution: Convolution) -> Convolution:
    """The sum of a depthwise 3x3 convolution and the 3x3 average of its input."""
    if not convolution.depthwise or convolution.kernel != 3 or convolution.dilation != 1:
        raise ValueError("averages join depthwise 3x3 convolutions of dilation 1")
    return convolution.with_(weight=convolution.weight + 1 / 9)
