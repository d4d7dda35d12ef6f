"""The deployment graph in a form: an inference-only module, equal to the checkpoint's network."""

from typing import cast

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.activations import prelu
from miniseg_edge.export.graph.rewrites.batch_norm import normalised
from miniseg_edge.export.graph.rewrites.channel_padding import padded
from miniseg_edge.export.graph.rewrites.columns import unpack
from miniseg_edge.export.graph.rewrites.convolution import convolution_from
from miniseg_edge.export.graph.rewrites.decoder import DecoderStep
from miniseg_edge.export.graph.rewrites.entrance import Entrance
from miniseg_edge.export.graph.rewrites.first_layers import FirstLayers, PackedFirstLayers
from miniseg_edge.export.graph.rewrites.head import over_background
from miniseg_edge.export.graph.rewrites.hu_window import HuWindow
from miniseg_edge.export.graph.rewrites.mask import Mask
from miniseg_edge.export.graph.rewrites.normalisation import normalisation_from
from miniseg_edge.export.graph.rewrites.packed_stage import PAIR, PackedFirstStage
from miniseg_edge.export.graph.rewrites.stages import Stage
from miniseg_edge.export.graph.rewrites.upsampling import Size, Upsampling
from miniseg_edge.tensors import HU, MASK
from miniseg_edge.training.networks.miniseg import MiniSeg


class RewrittenGraph(nn.Module):
    """Raw values in, logit maps over background or masks out; see `DeploymentGraph` for the function.

    Weights are computed in float64 and rounded once, to `dtype`. `size` is that of the slices, or None for any: then
    optimisations that depend on the size are omitted.
    """

    def __init__(self, network: MiniSeg, feeding: Feeding, form: Form, size: Size | None, dtype: torch.dtype) -> None:
        super().__init__()
        network = padded(network, form.multiples)
        sizes = _stage_sizes(size)
        columns = [None if stage is None else stage[1] for stage in sizes]
        c1, c2, c3, _ = network.architecture.channels
        self.packed = form.packed and size is not None and size[1] % (2 * PAIR) == 0

        window = feeding.window if feeding.interface.values == HU else None
        self.window = None if window is None else HuWindow(window)
        self.first = (PackedFirstLayers if self.packed else FirstLayers)(
            network, feeding.interface.channels, normalisation_from(feeding.statistics, window), form, dtype
        )
        self.stage1: nn.Module = (
            PackedFirstStage(network, form, dtype)
            if self.packed
            else Stage(network.level1, network.level1_long, columns[0], form, dtype)
        )
        self.enter2 = Entrance(network, 2, columns[1], form, dtype, packed=self.packed)
        self.stage2 = Stage(network.level2, network.level2_long, columns[1], form, dtype)
        self.enter3 = Entrance(network, 3, columns[2], form, dtype)
        self.stage3 = Stage(network.level3, network.level3_long, columns[2], form, dtype)
        self.enter4 = Entrance(network, 4, columns[3], form, dtype)
        self.stage4 = Stage(network.level4, network.level4_long, columns[3], form, dtype)

        self.up4 = normalised(convolution_from(network.up4_conv4), network.up4_bn4).module(dtype)
        self.up4_act = prelu(network.up4_act.weight, form.activation, dtype)
        skip3 = normalised(convolution_from(network.up3_conv3), network.up3_bn3)
        skip2 = normalised(convolution_from(network.up2_conv2), network.up2_bn2)
        skip1 = normalised(convolution_from(network.up1_conv1), network.up1_bn1)
        to3, to2, to1 = (
            Upsampling(width, sizes[stage], sizes[stage - 1], form.doubling, dtype)
            for stage, width in ((3, c3), (2, c2), (1, c1))
        )
        self.up3 = DecoderStep(network.up3_conv4, skip3, network.up3_act.weight, to3, form=form, dtype=dtype)
        self.up2 = DecoderStep(network.up2_conv3, skip2, network.up2_act.weight, to2, form=form, dtype=dtype)
        self.up1 = DecoderStep(network.up1_conv2, skip1, network.up1_act.weight, to1, form=form, dtype=dtype)
        head = over_background(convolution_from(cast("nn.Conv2d", network.pred1[1])))
        self.pred1 = head.module(dtype)
        self.enlarge = Upsampling(head.outputs, sizes[0], size, form.head_doubling, dtype)
        self.mask = Mask() if feeding.interface.result == MASK else None

    def forward(self, slice_: Tensor) -> Tensor:
        """(N, channels, H, W) grey 0..255 or HU -> (N, C - 1, H, W) logits over background, or (N, 1, H, W) classes."""
        values = slice_ if self.window is None else self.window(slice_)
        long, out1 = self.stage1(*self.first(values))
        long, out2 = self.stage2(*self.enter2(long, out1))
        long, out3 = self.stage3(*self.enter3(long, out2))
        _, out4 = self.stage4(*self.enter4(long, out3))
        if self.packed:
            out1 = unpack(out1, PAIR)
        up = self.up4_act(self.up4(out4))
        up = self.up1(self.up2(self.up3(up, out3), out2), out1)
        logits: Tensor = self.enlarge(self.pred1(up), slice_)
        return logits if self.mask is None else self.mask(logits)


def _stage_sizes(size: Size | None) -> list[Size | None]:
    """Height and width of stages 1 to 4: each halves, rounding up."""
    found: list[Size | None] = []
    for _ in range(4):
        size = None if size is None else ((size[0] + 1) // 2, (size[1] + 1) // 2)
        found.append(size)
    return found


def rewritten(
    network: MiniSeg, feeding: Feeding, form: Form, size: Size, dtype: torch.dtype = torch.float32
) -> RewrittenGraph:
    """The graph of a network (trained, in evaluation mode) in a form.

    Args:
        network: of any architecture.
        feeding: its inputs and outputs.
        form: how it is written.
        size: (height, width) of the slices in pixels; ignored if `feeding` has a dynamic size.
        dtype: of the weights.
    """
    return RewrittenGraph(network, feeding, form, None if feeding.interface.dynamic_size else size, dtype).eval()
