"""The report's pictures: plots as inline SVG, thumbnails as PNG.

matplotlib is imported when the first plot is drawn. Text remains text, in the page's own font; names are never
interpreted as matplotlib's mathematics, because a name may contain a "$".
"""

from miniseg_edge.benchmarks.plots.accuracy import accuracy_plot
from miniseg_edge.benchmarks.plots.canvas import drawing
from miniseg_edge.benchmarks.plots.colours import (
    ARTIFACT_COLOUR,
    CHANGED_COLOUR,
    INK,
    LINE,
    MUTED,
    OUR_COLOURS,
    RED,
    REFERENCE_COLOUR,
)
from miniseg_edge.benchmarks.plots.entries import Entry, entries
from miniseg_edge.benchmarks.plots.labels import Box, placed_labels
from miniseg_edge.benchmarks.plots.latency import latency_plot
from miniseg_edge.benchmarks.plots.stages import STAGES, stage_plot
from miniseg_edge.benchmarks.plots.thumbnail import thumbnail

__all__ = [
    "ARTIFACT_COLOUR",
    "CHANGED_COLOUR",
    "INK",
    "LINE",
    "MUTED",
    "OUR_COLOURS",
    "RED",
    "REFERENCE_COLOUR",
    "STAGES",
    "Box",
    "Entry",
    "accuracy_plot",
    "drawing",
    "entries",
    "latency_plot",
    "placed_labels",
    "stage_plot",
    "thumbnail",
]
