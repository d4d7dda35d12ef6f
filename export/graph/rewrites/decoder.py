"""The decoder: coarse maps upsampled and fused with the encoder's."""

import torch
from torch import Tensor, nn

from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.activations import prelu
from miniseg_edge.export.graph.rewrites.blocks import FusionTail
from miniseg_edge.export.graph.rewrites.convolution import Convolution, convolution_from
from miniseg_edge.export.graph.rewrites.upsampling import Upsampling
from miniseg_edge.training.networks.miniseg import FeatureFusionBlock


class DecoderStep(nn.Module):
    """A step of the decoder: the coarser map upsampled and fused with a stage's out.

    The fusion block's 1x1 convolution runs before the upsampling, on a quarter of the pixels: each is a weighted sum,
    one over channels and one over pixels, so their order does not matter.
    """

    def __init__(
        self,
        fusion: FeatureFusionBlock,
        skip: Convolution,
        slopes: Tensor,
        upsampling: Upsampling,
        *,
        form: Form,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.reduce = convolution_from(fusion.conv0).module(dtype)
        self.upsampling = upsampling
        self.fusion = FusionTail(fusion, form, dtype)
        self.skip = skip.module(dtype)
        self.act = prelu(slopes, form.activation, dtype)

    def forward(self, coarse: Tensor, out: Tensor) -> Tensor:
        """(N, c', h, w), (N, c, H, W) -> (N, c, H, W)."""
        found: Tensor = self.act(self.fusion(self.upsampling(self.reduce(coarse), out)) + self.skip(out))
        return found
