"""Forms of the deployment graph: which of several exact ways each part is written in.

All forms compute the same function. Which is fastest depends on the backend, its version and the processor, so forms
are measured.
"""

from dataclasses import dataclass
from typing import Literal

Branches = Literal["dilated", "paired"]
GateMaps = Literal["channels", "branches"]
Fusion = Literal["merged", "two"]
Doubling = Literal["interpolate", "phases", "transposed", "rows"]
Activation = Literal["prelu", "maximum"]
Normalisation = Literal["operator", "padding"]


@dataclass(frozen=True)
class Form:
    """One way to write the graph.

    Attributes:
        name: for the manifest and reports.
        multiples: channels of stages 1 to 4 are zero-padded to a multiple of these.
        branches: the pyramid's four dilated 3x3 convolutions, or two 5x5 ones on doubled channels.
        gate_maps: the attention convolution returns a map per channel, or four that are then expanded.
        fusion: the fusion block's two depthwise convolutions are one 5x5, or stay two.
        doubling: how the decoder upsamples to exactly twice the size (other sizes are interpolated).
        head_doubling: the same for the logits.
        activation: PReLU, or the maximum of x and slope * x.
        packed: stage 1 and the gates treat neighbouring columns as channels, if the size permits.
        normalisation: a separate operator, or folded into the first layer, which is then padded with the mean.
    """

    name: str
    multiples: tuple[int, int, int, int] = (1, 1, 1, 1)
    branches: Branches = "dilated"
    gate_maps: GateMaps = "channels"
    fusion: Fusion = "merged"
    doubling: Doubling = "transposed"
    head_doubling: Doubling = "phases"
    normalisation: Normalisation = "operator"
    activation: Activation = "prelu"
    packed: bool = False


DIRECT = Form("direct")
"""Every rewrite that removes operators, none that depends on the memory layout."""

PACKED = Form("packed", gate_maps="branches", fusion="two", head_doubling="rows", normalisation="padding", packed=True)
"""For channels-last backends on registers of 16 lanes: OpenVINO in FP32."""

PACKED_ROWS = Form("packed-rows", gate_maps="branches", doubling="rows", head_doubling="rows", packed=True)
"""The same for BF16: without transposed convolutions, which are slow in OpenVINO, and normalised before rounding."""

AS_TRAINED = Form("as trained")
"""Marker: the network is not rewritten. All other fields are ignored."""

BLOCKED = Form(
    "blocked", multiples=(8, 32, 32, 64), branches="paired", gate_maps="branches", doubling="interpolate",
    head_doubling="phases", activation="maximum",
)  # fmt: skip
"""For ONNX Runtime on CPUs: it has fast code for whole blocks of channels, and a slow PReLU."""

FORMS = (DIRECT, PACKED, PACKED_ROWS, BLOCKED)
"""The candidates that an export measures; names are unique."""
