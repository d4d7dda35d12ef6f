"""Networks that are not MiniSeg, registered under names of their own for the tests."""

import torch
from torch import Tensor, nn

from miniseg_edge.training.networks.registry import network_names, register_network


class TinyUNet(nn.Module):
    """One step down and up again, so that only even sides fit; in training with an auxiliary head too."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(in_channels, 8, 3, 2, 1), nn.InstanceNorm2d(8), nn.LeakyReLU(0.1))
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.head = nn.Conv2d(4 + in_channels, classes, 3, padding=1)
        self.auxiliary = nn.Conv2d(4, classes, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> logits of each head, (N, classes, H, W)."""
        up = self.up(self.down(x))
        heads = [self.head(torch.cat([up, x], 1))]
        return [*heads, self.auxiliary(up)] if self.training else heads


def pointwise(in_channels: int, classes: int) -> nn.Module:
    """A network that takes slices of any size."""
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1), nn.PReLU(), nn.Conv2d(4, classes, 1))


class LocationHead(nn.Module):
    """Its weights are called as ONNX calls the place of data that lies elsewhere."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.location_head = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.external_data = nn.PReLU(4)
        self.location = nn.Conv2d(4, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> logits (N, classes, H, W)."""
        found: Tensor = self.location(self.external_data(self.location_head(x)))
        return found


def classifier(in_channels: int, classes: int) -> nn.Module:
    """No segmentation network: an answer for the whole slice."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, classes, 1))


TINY_UNET = "tests-tiny-unet"

NETWORKS = {
    TINY_UNET: TinyUNet,
    "tests-pointwise": pointwise,
    "tests-location": LocationHead,
    "tests-classifier": classifier,
}
for name, build in NETWORKS.items():
    if name not in network_names():
        register_network(name, build)
