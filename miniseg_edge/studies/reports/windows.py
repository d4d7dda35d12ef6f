"""The windows that radiologists use for chests."""

from miniseg_edge.slices.preprocessing import Window

LUNG = Window(-1350.0, 150.0)
SOFT_TISSUE = Window(-160.0, 240.0)
