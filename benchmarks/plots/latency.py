"""All latencies, as hills."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from miniseg_edge.benchmarks.plots.canvas import drawing, name_rows, new_figure, note_right, svg_from_figure
from miniseg_edge.benchmarks.plots.colours import INK, MUTED
from miniseg_edge.benchmarks.plots.entries import Entry
from miniseg_edge.benchmarks.report import Result
from miniseg_edge.benchmarks.statistics import FloatSamples

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LOG_FROM = 5.0
"""Ratio of largest to smallest latency from which the axis is logarithmic."""
_TICK_COLUMNS = 1500
"""Columns of the latency axis with a mark for each sample: finer than visible or printable."""


def latency_plot(shown: Sequence[Entry]) -> str:
    """All end-to-end latencies: their density, a mark for each, and p50, p90, p99; "" if there are none."""
    rows = [(entry, samples) for entry in shown if len(samples := _samples(entry.result))]
    if not rows:
        return ""
    low, high = min(float(s.min()) for _, s in rows), max(float(s.max()) for _, s in rows)
    with drawing():
        figure, axes = new_figure(1.0 + 0.62 * len(rows))
        # The scale comes first, because densities are computed along the displayed axis.
        if low > 0 and high / low > _LOG_FROM:
            axes.set_xscale("log")
            _plain_log_ticks(axes)
        for y, (entry, samples) in enumerate(rows):
            _draw_latencies(axes, y, samples, entry.colour)
        _pad(axes, low, high)
        name_rows(axes, [entry for entry, _ in rows], 0.62)
        note_right(axes, -0.78, "p50 / p99 / max", MUTED)
        for y, (_, samples) in enumerate(rows):
            p50, p99 = np.percentile(samples, [50, 99])
            note_right(axes, y - 0.1, f"{p50:.2f} / {p99:.2f} / {samples.max():.2f}", INK)
        axes.set_xlabel("end-to-end latency of a slice, ms")
        return svg_from_figure(figure, "latency", "Latency distribution of each configuration")


def _samples(result: Result) -> FloatSamples:
    return np.array([ms for samples in result.rounds_ms for ms in samples], dtype=np.float64)


def _draw_latencies(axes: "Axes", y: int, samples: FloatSamples, colour: str) -> None:
    seen = np.log(samples) if axes.get_xscale() == "log" else samples
    grid, height = _density(seen)
    x = np.exp(grid) if axes.get_xscale() == "log" else grid
    axes.fill_between(x, y - 0.62 * height, y, color=colour, alpha=0.45, linewidth=0)
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    axes.plot([samples.min(), samples.max()], [y, y], color=colour, linewidth=1)
    axes.plot([p50, p50], [y - 0.68, y], color=INK, linewidth=1.8, solid_capstyle="butt")
    for percentile, length in ((p90, 0.34), (p99, 0.2)):
        axes.plot([percentile] * 2, [y - length, y], color=INK, linewidth=1.1, solid_capstyle="butt")
    marks = _marks(seen)
    x = np.exp(marks) if axes.get_xscale() == "log" else marks
    axes.plot(np.repeat(x, 3), np.tile([y + 0.05, y + 0.19, np.nan], len(x)), color=colour, linewidth=0.6)


def _density(samples: FloatSamples) -> tuple[FloatSamples, FloatSamples]:
    """A smoothed histogram between the smallest and the largest sample: (K,) places and (K,) heights up to 1."""
    low, high = float(samples.min()), float(samples.max())
    if high - low < 1e-9:
        return np.array([low, low]), np.array([0.0, 0.0])
    counts, edges = np.histogram(samples, bins=400, range=(low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    quartiles = float(np.subtract(*np.percentile(samples, [75, 25]))) / 1.34
    spread = min(float(samples.std()), quartiles) or float(samples.std())
    width = max(0.9 * spread * len(samples) ** -0.2, (high - low) / 400)  # Silverman's rule
    grid = np.linspace(low, high, 400)
    height = np.exp(-0.5 * ((grid[:, None] - centres[None, :]) / width) ** 2) @ counts
    return grid, height / height.max()


def _marks(samples: FloatSamples) -> FloatSamples:
    """Positions of marks so that every sample is under one: samples that would coincide in the picture share one."""
    low, high = float(samples.min()), float(samples.max())
    step = max((high - low) / _TICK_COLUMNS, 1e-9)
    _, first = np.unique(np.round((samples - low) / step), return_index=True)
    return np.unique(np.append(samples[first], high))


def _pad(axes: "Axes", low: float, high: float) -> None:
    if axes.get_xscale() == "log":
        axes.set_xlim(low / (high / low) ** 0.02, high * (high / low) ** 0.02)
    else:
        margin = 0.02 * (high - low) or 0.05 * high or 1.0
        axes.set_xlim(low - margin, high + margin)


def _plain_log_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
