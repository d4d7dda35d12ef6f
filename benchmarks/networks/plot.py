"""Accuracy against latency, a bubble for each network, its area by parameters; arithmetic where accuracy is unknown."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from miniseg_edge.benchmarks.networks.report import NetworkResult, NetworksReport
from miniseg_edge.benchmarks.plots import INK, LINE, MUTED, Box, placed_labels
from miniseg_edge.host.dependencies import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#332288", "#999933", "#882255", "#595959")
_SIZE_IN, _DPI = (9.4, 5.2), 144
_SCALE = 72 / _DPI
"""Pixels to points."""
_AREA_AT_1M, _LEGEND_MILLIONS = 130.0, (0.1, 1.0, 10.0)
_STYLE = {
    "font.size": 9.0, "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "text.color": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": False,
    "text.parse_math": False,
}  # fmt: skip


def png_from_networks(report: NetworksReport) -> bytes:
    """The plot as a PNG, of the first runtime in the report: FP32 filled, other precisions as rings.

    Networks without accuracy are omitted if others have it: random weights have none.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", "bench")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [r for r in report.results if r.runtime == report.results[0].runtime]
    if report.accuracy_known:
        shown = [r for r in shown if r.mean_iou is not None]
    style: dict[Any, Any] = _STYLE
    with rc_context(style):
        figure = Figure(_SIZE_IN, dpi=_DPI)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.075, 0.11, 0.9, 0.8))
        _frame(axes, shown, report)
        _bubbles(axes, shown, report)
        _legend(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _height(result: NetworkResult, report: NetworksReport) -> float:
    return result.mean_iou if report.accuracy_known and result.mean_iou is not None else result.macs / 1e9


def _area(parameters: float) -> float:
    """In square points; by the root of the parameters: some networks have five hundred times as many as others."""
    return _AREA_AT_1M * float(np.sqrt(parameters / 1e6))


def _frame(axes: "Axes", shown: Sequence[NetworkResult], report: NetworksReport) -> None:
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    latencies = [r.latency.p50_ms for r in shown]
    heights = [_height(r, report) for r in shown]
    axes.set_xscale("log")
    axes.set_xlim(min(latencies) / 1.6, max(latencies) * 2.6)
    scaled: list[Axis] = [axes.xaxis]
    if report.accuracy_known:
        depth = max(max(heights) - min(heights), 0.02)
        axes.set_ylim(min(heights) - 0.25 * depth, max(heights) + 0.25 * depth)
        axes.set_ylabel("mIoU with the labels")
    else:
        axes.set_yscale("log")
        axes.set_ylim(min(heights) / 2.5, max(heights) * 2.5)
        axes.set_ylabel("1e9 multiplications a slice (no accuracy: not trained)")
        scaled.append(axes.yaxis)
    for axis in scaled:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("latency of a slice, end to end, p50, ms (left is faster)")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    rings = ", ".join(dict.fromkeys(r.precision.upper() for r in shown if r.precision != "fp32"))
    axes.set_title(
        f"{shown[0].runtime} at {report.size[0]} x {report.size[1]}, {report.machine.name}\n"
        f"filled: FP32{f'; ring: {rings}' if rings else ''}",
        loc="left", fontsize=9, color=MUTED,
    )  # fmt: skip


def _bubbles(axes: "Axes", shown: Sequence[NetworkResult], report: NetworksReport) -> None:
    colours = {label: _COLOURS[i % len(_COLOURS)] for i, label in enumerate(dict.fromkeys(r.label for r in shown))}
    for result in sorted(shown, key=lambda r: -r.parameters):  # small bubbles lie on large ones
        colour, filled = colours[result.label], result.precision == "fp32"
        axes.scatter(
            [result.latency.p50_ms], [_height(result, report)], s=_area(result.parameters),
            facecolor=(colour, 0.6 if filled else 0.0), edgecolor=colour, linewidth=1.6,
        )  # fmt: skip
    exact = [r for r in shown if r.precision == "fp32"] or list(shown)
    texts = [f"{r.label}, {_millions(r.parameters)}" for r in exact]
    at = [_at(axes, r, report) for r in exact]
    sizes = [(5.2 * len(text), 12.0) for text in texts]
    box = axes.get_window_extent()
    frame = (box.x0 * _SCALE, box.y0 * _SCALE, box.x1 * _SCALE, box.y1 * _SCALE)
    # Everything that is plotted is an obstacle for labels, rings too.
    taken = [_box(_at(axes, r, report), float(np.sqrt(_area(r.parameters) / np.pi))) for r in shown]
    places = placed_labels(at, sizes, frame, taken)
    for result, text, start, corner in zip(exact, texts, at, places, strict=True):
        shift = (corner[0] - start[0], corner[1] + 6.0 - start[1])
        axes.annotate(
            text, (result.latency.p50_ms, _height(result, report)), shift, textcoords="offset points", va="center",
            color=INK, weight="bold" if result.network.startswith("miniseg") else "normal",
        )  # fmt: skip


def _at(axes: "Axes", result: NetworkResult, report: NetworksReport) -> tuple[float, float]:
    """Position of a bubble in the picture, in points."""
    x, y = axes.transData.transform((result.latency.p50_ms, _height(result, report)))
    return float(x) * _SCALE, float(y) * _SCALE


def _box(centre: tuple[float, float], radius: float) -> Box:
    return centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius


def _legend(axes: "Axes") -> None:
    handles = [
        axes.scatter([], [], s=_area(1e6 * millions), facecolor="none", edgecolor=MUTED, label=f"{millions:g} M")
        for millions in _LEGEND_MILLIONS
    ]
    axes.legend(
        handles=handles, title="parameters", loc="lower right", frameon=False, labelspacing=1.4, borderpad=1.0,
        labelcolor=MUTED,
    )  # fmt: skip


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters < 1e6 else f"{parameters / 1e6:.1f} M"
