"""What training and export ask of a network, whoever wrote it."""

from typing import Protocol

from torch import Tensor


class SegmentationNetwork(Protocol):
    """A 2-D segmentation `nn.Module` with a few facts about itself; `MiniSeg` is one.

    Attributes:
        in_channels: channels of the input; grey slices are fed as so many equal ones.
        classes: channels of the output; class 0 is background.
    """

    @property
    def in_channels(self) -> int: ...  # noqa: D102

    @property
    def classes(self) -> int: ...  # noqa: D102

    def forward(self, x: Tensor) -> Tensor:
        """Normalised image (N, in_channels, H, W) float32 -> logits (N, classes, H, W)."""
        ...

    def forward_all(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of the main head and of any auxiliary ones, each (N, classes, H, W); for training only."""
        ...
