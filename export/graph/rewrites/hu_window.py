"""The HU window inside the graph.

    grey(hu) / 255 = clip((hu - L) / (H - L), 0, 1) = (clip(hu, L, H) - L) / (H - L)
so all but the clipping is affine and joins the normalisation (see there).
Precondition: L < H.
"""

from torch import Tensor, nn

from miniseg_edge.slices.preprocessing import Window


class HuWindow(nn.Module):
    """HU clipped to a window."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.low_hu, self.high_hu = window.low_hu, window.high_hu

    def forward(self, hu: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, within the window."""
        return hu.clamp(self.low_hu, self.high_hu)
