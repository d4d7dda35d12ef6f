"""The interface of a network for training and export, whichever package defines it."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class SegmentationNetwork(nn.Module, ABC):
    """A 2-D segmentation network with a few properties; `MiniSeg` is one."""

    @property
    @abstractmethod
    def in_channels(self) -> int:
        """Channels of the input; a grey slice is repeated for each."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Channels of the output; class 0 is background."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Normalised image (N, in_channels, H, W) float32 -> logits (N, classes, H, W)."""

    @abstractmethod
    def forward_all(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of the main head and of any auxiliary ones, each (N, classes, H, W); for training only."""
