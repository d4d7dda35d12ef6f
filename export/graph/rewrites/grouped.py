"""A grouped convolution as a dense one: zeros where the groups do not meet.

diag(W_1, .., W_g) concat(x_1, .., x_g) = concat(W_1 x_1, .., W_g x_g)
"""

import torch

from miniseg_edge.export.graph.rewrites.convolution import Convolution


def dense(convolution: Convolution) -> Convolution:
    """The same with groups = 1."""
    groups = convolution.groups
    if groups == 1:
        return convolution
    rows, columns = convolution.outputs // groups, convolution.inputs // groups
    weight = torch.zeros(
        convolution.outputs, convolution.inputs, *convolution.weight.shape[2:], dtype=convolution.weight.dtype
    )
    for group in range(groups):
        block = slice(group * rows, (group + 1) * rows)
        weight[block, group * columns : (group + 1) * columns] = convolution.weight[block]
    return convolution.with_(weight=weight, groups=1)
