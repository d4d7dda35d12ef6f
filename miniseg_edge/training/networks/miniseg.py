"""MiniSeg: the network as trained.

Qiu, Liu, Li, Xu, "MiniSeg: An Extremely Minimum Network for Efficient COVID-19 Segmentation", AAAI 2021
(arXiv 2004.09750). Module names are facts of the published checkpoint format and must not change.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniseg_edge.architecture import BRANCHES, PRESETS, Architecture
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork


def _conv1x1(inputs: int, outputs: int, *, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, groups=groups, bias=bias)


def _depthwise(channels: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation=dilation, groups=channels, bias=False)


def _upsample(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size[-2:], mode="bilinear", align_corners=False)


class ConvBlock(nn.Module):
    """Dense 3x3 convolution, batch normalisation, PReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H / stride, W / stride)."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class DownsamplerBlock(nn.Module):
    """1x1 convolution, depthwise 5x5, batch normalisation, PReLU: a block of the long path."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv0 = _conv1x1(inputs, outputs)
        self.conv1 = _depthwise(outputs, 5, stride=stride)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H / stride, W / stride)."""
        out: Tensor = self.act(self.bn(self.conv1(self.conv0(x))))
        return out


class AHSPBlock(nn.Module):
    """Attentive hierarchical spatial pyramid: four dilated branches, each with a gate of its own."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        narrow = outputs // BRANCHES
        self.conv1x1_down = _conv1x1(inputs, narrow)
        self.conv1 = _depthwise(narrow, 3, stride=stride, dilation=1)
        self.conv2 = _depthwise(narrow, 3, stride=stride, dilation=2)
        self.conv3 = _depthwise(narrow, 3, stride=stride, dilation=4)
        self.conv4 = _depthwise(narrow, 3, stride=stride, dilation=8)
        self.pool = nn.AvgPool2d(3, stride, 1)
        self.conv1x1_fuse = _conv1x1(outputs, outputs, groups=BRANCHES)
        self.attention = _conv1x1(outputs, BRANCHES, groups=BRANCHES)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H / stride, W / stride)."""
        s = self.conv1x1_down(x)
        d1 = self.conv1(s) + self.pool(s)
        d2 = self.conv2(s) + d1
        d3 = self.conv3(s) + d2
        d4 = self.conv4(s) + d3
        branches = (d1, d2, d3, d4)
        gates = torch.sigmoid(self.attention(torch.cat(branches, 1))).chunk(BRANCHES, 1)
        gated = [d + d * gate for d, gate in zip(branches, gates, strict=True)]
        out: Tensor = self.act(self.bn(self.conv1x1_fuse(torch.cat(gated, 1))))
        return out


class FeatureFusionBlock(nn.Module):
    """1x1 convolution, then two depthwise 3x3 of dilation 1 and 2, summed and normalised."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = _conv1x1(inputs, outputs)
        self.conv1 = _depthwise(outputs, 3, dilation=1)
        self.conv2 = _depthwise(outputs, 3, dilation=2)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, i, H, W) -> (N, o, H, W)."""
        x = self.conv0(x)
        out: Tensor = self.bn(self.conv1(x) + self.conv2(x))
        return out


def _blocks(kind: type[nn.Module], channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(kind(channels, channels) for _ in range(depth)))


def _exchange(channels: int) -> nn.Sequential:
    """Mixes the two paths between stages; its input is the concatenation (long, out)."""
    return nn.Sequential(_conv1x1(2 * channels, 2 * channels), nn.BatchNorm2d(2 * channels))


def _head(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Dropout2d(0.01), _conv1x1(channels, classes, bias=True))


class MiniSeg(SegmentationNetwork):
    """The network of the paper, in any width and depth.

    Args:
        architecture: channels, depths, classes; the default is the published 83K network.
        auxiliary: with the three training heads `pred2` to `pred4`.

    Thread-safety: `forward` in eval mode changes nothing and may be called from several threads.
    """

    def __init__(self, architecture: Architecture = PRESETS["miniseg-83k"], *, auxiliary: bool = True) -> None:
        super().__init__()
        self.architecture = architecture
        self.auxiliary = auxiliary
        c1, c2, c3, c4 = architecture.channels
        m1, m2, m3, m4 = architecture.depths
        l1, l2, l3, l4 = architecture.long_depths
        classes = architecture.classes

        # The order of creation is the order of the published state dict.
        self.long1 = DownsamplerBlock(architecture.in_channels, c1, 2)
        self.down1 = ConvBlock(architecture.in_channels, c1, 2)
        self.level1 = _blocks(ConvBlock, c1, m1)
        self.level1_long = _blocks(DownsamplerBlock, c1, l1)
        self.cat1 = _exchange(c1)

        self.long2 = DownsamplerBlock(c1, c2, 2)
        self.down2 = AHSPBlock(c1, c2, 2)
        self.level2 = _blocks(AHSPBlock, c2, m2)
        self.level2_long = _blocks(DownsamplerBlock, c2, l2)
        self.cat2 = _exchange(c2)

        self.long3 = DownsamplerBlock(c2, c3, 2)
        self.down3 = AHSPBlock(c2, c3, 2)
        self.level3 = _blocks(AHSPBlock, c3, m3)
        self.level3_long = _blocks(DownsamplerBlock, c3, l3)
        self.cat3 = _exchange(c3)

        self.long4 = DownsamplerBlock(c3, c4, 2)
        self.down4 = AHSPBlock(c3, c4, 2)
        self.level4 = _blocks(AHSPBlock, c4, m4)
        self.level4_long = _blocks(DownsamplerBlock, c4, l4)

        self.up4_conv4 = _conv1x1(c4, c4, bias=True)
        self.up4_bn4 = nn.BatchNorm2d(c4)
        self.up4_act = nn.PReLU(c4)

        self.up3_conv4 = FeatureFusionBlock(c4, c3)
        self.up3_conv3 = _conv1x1(c3, c3, bias=True)
        self.up3_bn3 = nn.BatchNorm2d(c3)
        self.up3_act = nn.PReLU(c3)

        self.up2_conv3 = FeatureFusionBlock(c3, c2)
        self.up2_conv2 = _conv1x1(c2, c2, bias=True)
        self.up2_bn2 = nn.BatchNorm2d(c2)
        self.up2_act = nn.PReLU(c2)

        self.up1_conv2 = FeatureFusionBlock(c2, c1)
        self.up1_conv1 = _conv1x1(c1, c1, bias=True)
        self.up1_bn1 = nn.BatchNorm2d(c1)
        self.up1_act = nn.PReLU(c1)

        if auxiliary:
            self.pred4 = _head(c4, classes)
            self.pred3 = _head(c3, classes)
            self.pred2 = _head(c2, classes)
        self.pred1 = _head(c1, classes)

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.architecture.in_channels

    @property
    def classes(self) -> int:
        """Classes of the output, background included."""
        return self.architecture.classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the main head: normalised image (N, in_channels, H, W) -> (N, classes, H, W)."""
        up1, *_ = self._decoded(x)
        return _upsample(self.pred1(up1), x.shape)

    def forward_all(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of `pred1` to `pred4`, each (N, classes, H, W); for training only."""
        up1, up2, up3, up4 = self._decoded(x)
        heads = ((self.pred1, up1), (self.pred2, up2), (self.pred3, up3), (self.pred4, up4))
        return tuple(_upsample(head(up), x.shape) for head, up in heads)

    def _decoded(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out1, out2, out3, out4 = self._encoded(x)
        up4 = self.up4_act(self.up4_bn4(self.up4_conv4(out4)))
        up4 = _upsample(up4, out3.shape)
        up3 = self.up3_act(self.up3_conv4(up4) + self.up3_bn3(self.up3_conv3(out3)))
        up3 = _upsample(up3, out2.shape)
        up2 = self.up2_act(self.up2_conv3(up3) + self.up2_bn2(self.up2_conv2(out2)))
        up2 = _upsample(up2, out1.shape)
        up1 = self.up1_act(self.up1_conv2(up2) + self.up1_bn1(self.up1_conv1(out1)))
        return up1, up2, up3, up4

    def _encoded(self, x: Tensor) -> list[Tensor]:
        stages = (
            (self.down1, self.long1, self.level1, self.level1_long, self.cat1),
            (self.down2, self.long2, self.level2, self.level2_long, self.cat2),
            (self.down3, self.long3, self.level3, self.level3_long, self.cat3),
            (self.down4, self.long4, self.level4, self.level4_long, None),
        )
        outs: list[Tensor] = []
        main, side = x, x
        for down, first_long, level, level_long, exchange in stages:
            out, long = _stage(down(main), first_long(side), level, level_long)
            outs.append(out)
            if exchange is not None:
                left, right = exchange(torch.cat((long, out), 1)).chunk(2, 1)
                main, side = right + out, left + long
        return outs


def _stage(out: Tensor, long: Tensor, level: nn.Sequential, level_long: nn.Sequential) -> tuple[Tensor, Tensor]:
    """The two paths of a stage side by side; both read the sum of the two, and each adds to itself."""
    add = out + long
    for index, block in enumerate(level):
        out = block(add) + out
        if index < len(level_long):
            long = level_long[index](add) + long
        add = out + long
    return out, long
