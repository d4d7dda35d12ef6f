"""The head as logits over background.

    f_c - f_0 = (w_c - w_0) x + (b_c - b_0)   for classes c > 0
Precondition: only differences of logits matter (softmax and argmax), and what follows is linear with the same weights
for each map: bilinear upsampling is.
"""

from miniseg_edge.export.graph.rewrites.convolution import Convolution


def over_background(head: Convolution) -> Convolution:
    """C - 1 maps instead of C."""
    return head.with_(weight=head.weight[1:] - head.weight[:1], bias=head.bias[1:] - head.bias[:1])
