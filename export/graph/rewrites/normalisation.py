"""The normalisation as an affine map, separate or folded into the layer that it feeds.

The normalisation n(x) = f x + b goes into a layer W as W n(x) = (f W) x + b sum(W). Where the network pads n(x) with
zeros, the slice must then be padded with n's zero, -b / f, to keep the borders unchanged.
"""

from dataclasses import dataclass

from miniseg_edge.export.graph.rewrites.convolution import Convolution
from miniseg_edge.export.graph.rewrites.sums import in_order
from miniseg_edge.slices.preprocessing import GREY_MAX, Statistics, Window


@dataclass(frozen=True)
class Normalisation:
    """Raw values to the network's input scale: factor * x + offset."""

    factor: float
    offset: float

    @property
    def zero(self) -> float:
        """The value that becomes 0."""
        return -self.offset / self.factor

    def inside(self, layer: Convolution) -> Convolution:
        """The layer on raw values, which must be padded with `zero`."""
        sums = in_order(layer.weight.flatten(1).unbind(1))
        return layer.with_(weight=layer.weight * self.factor, bias=layer.bias + sums * self.offset)


def normalisation_from(statistics: Statistics, window: Window | None = None) -> Normalisation:
    """Of the published evaluation: grey over 255, minus mean, over std; with a window, of HU clipped to it (hu_window).

    With L and H the window's ends, grey / 255 = (x - L) / (H - L).
    """
    if window is None:
        return Normalisation(1.0 / (GREY_MAX * statistics.std), -statistics.mean / statistics.std)
    width = window.high_hu - window.low_hu
    return Normalisation(1.0 / (width * statistics.std), (-window.low_hu / width - statistics.mean) / statistics.std)
