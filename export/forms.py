"""Forms of the deployment graph: which of several exact ways each part is written in.

All forms compute the same function. Which is fastest depends on the backend, its version and the processor, so forms
are measured, not believed.
"""

from dataclasses import dataclass
from typing import Literal

Branches = Literal["dilated", "paired"]
Join = Literal["concatenated", "summed"]
Gate = Literal["after", "before"]
GateMaps = Literal["channels", "branches"]
Entries = Literal["separate", "merged"]
FirstStage = Literal["paths", "stacked"]
Fusion = Literal["merged", "two"]
Doubling = Literal["interpolate", "phases", "transposed"]
Normalisation = Literal["operator", "padding"]


@dataclass(frozen=True)
class Form:
    """One way to write the graph.

    Attributes:
        name: for the manifest and reports.
        multiples: channels of stages 1 to 4 are filled up with zeros to a multiple of these.
        branches: the pyramid's four dilated 3x3 convolutions, or two 5x5 ones on doubled channels.
        join: of 1x1 convolutions with several inputs: one of the concatenation, or a sum of one for each.
        gate: the pyramid's gates multiply after the fusing convolution, or before it as in the paper.
        gate_maps: the attention convolution gives a map for each channel, or four that are then spread.
        entries: 1x1 convolutions that read one tensor stand apart, or are one whose output is split.
        first_stage: the two paths of stage 1 as two tensors, or as one with both.
        fusion: the fusion block's two depthwise convolutions are one 5x5, or stay two.
        doubling: how the decoder upsamples to exactly twice the size (other sizes are interpolated).
        head_doubling: the same for the logits.
        normalisation: an operator in front, or folded into the first layer, which is then padded with the mean.
    """

    name: str
    multiples: tuple[int, int, int, int] = (1, 1, 1, 1)
    branches: Branches = "dilated"
    join: Join = "concatenated"
    gate: Gate = "after"
    gate_maps: GateMaps = "channels"
    entries: Entries = "separate"
    first_stage: FirstStage = "paths"
    fusion: Fusion = "merged"
    doubling: Doubling = "transposed"
    head_doubling: Doubling = "phases"
    normalisation: Normalisation = "operator"
