"""The results of a soak: a table in the terminal, and a picture of all watched quantities over time."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from miniseg_edge.benchmarks.plots import INK, LINE, MUTED, OUR_COLOURS, RED, drawing
from miniseg_edge.benchmarks.soak.soak import WARM_UP_SHARE, WATCHED, SoakReport, SoakResult, Trend, Watched
from miniseg_edge.console import terminal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_IN, _DPI = (9.4, 10.2), 90
_DASHES = ("-", (0, (6, 2)), (0, (3, 2)), (0, (1, 1)), (0, (8, 2, 1, 2)))
"""So that coinciding lines are visible."""

_DECIMALS = {"memory_mb": 0, "handles": 0, "threads": 0, "latency_ms": 1, "cpu_ms": 1}


def show_soak(report: SoakReport) -> None:
    """Masks, faults and trends of each artefact; errors in red."""
    bad = [index for index, result in enumerate(report.results) if not result.sound]
    columns = ("", "masks", "wrong", "bad inputs", "reloads", *(watched.title for watched in WATCHED))
    terminal.table(f"Soak, {report.hours:.2f} h, {report.machine.name}", columns, list(map(_row, report.results)), bad)
    terminal.say("first -> last fifth after the warm-up, and the slope for each 1,000 masks with its 95 % interval")
    for result in report.results:
        for trend in (trend for trend in result.trends if trend.grows):
            terminal.say(f"{result.name}: {_title(trend)} grows: {_slope(trend)} for each 1,000 masks", "bad")
        for complaint in result.complaints:
            terminal.say(f"{result.name}: {complaint}", "bad")
    if report.sound:
        terminal.say("every mask right, every bad input refused as it should be, nothing grows", "good")


def _row(result: SoakResult) -> tuple[str, ...]:
    cells = (f"{result.masks:,}", f"{result.wrong}", f"{result.faults:,}", f"{result.reloads}")
    return result.name, *cells, *map(_cell, result.trends)


def _cell(trend: Trend) -> str:
    digits = _DECIMALS[trend.name]
    return f"{trend.first:.{digits}f} -> {trend.last:.{digits}f}, {_slope(trend)}"


def _slope(trend: Trend) -> str:
    return f"{trend.per_1000:+.3g} ({trend.low:+.3g}..{trend.high:+.3g})"


def _title(trend: Trend) -> str:
    return next(watched.title for watched in WATCHED if watched.name == trend.name)


def png_from_soak(report: SoakReport) -> bytes:
    """A panel for each watched quantity over time, a line for each artefact; the warm-up is shaded."""
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(_SIZE_IN, dpi=_DPI, layout="constrained")
        panels: Sequence[Axes] = list(figure.subplots(len(WATCHED), 1, sharex=True))
        for axes, watched in zip(panels, WATCHED, strict=True):
            _draw(axes, watched, report.results)
        panels[-1].set_xlabel("minutes")
        panels[0].legend(frameon=False, ncols=5, loc="lower right", bbox_to_anchor=(1, 1.01), borderaxespad=0)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def _draw(axes: "Axes", watched: Watched, results: Sequence[SoakResult]) -> None:
    for index, result in enumerate(result for result in results if result.samples):
        minutes = np.array([sample.elapsed_s / 60 for sample in result.samples])
        values = np.array([getattr(sample, watched.name) for sample in result.samples])
        colour, dashes = OUR_COLOURS[index % len(OUR_COLOURS)], _DASHES[index % len(_DASHES)]
        axes.plot(minutes, values, color=colour, linestyle=dashes, linewidth=1.2, label=result.name)
        if any(trend.grows for trend in result.trends if trend.name == watched.name):
            axes.text(minutes[-1], values[-1], " grows", color=RED, va="center", size=8)
    end = axes.get_xlim()[1]
    settled = [_settled_minutes(result) for result in results if result.samples]
    axes.axvspan(0, max(settled, default=0.0), color=LINE, alpha=0.4, linewidth=0)
    axes.set_xlim(0, end)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    axes.set_title(watched.title, loc="left", color=INK, size=9)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.tick_params(colors=MUTED)


def _settled_minutes(result: SoakResult) -> float:
    """When the warm-up of a process ended."""
    return next(s.elapsed_s / 60 for s in result.samples if s.masks > WARM_UP_SHARE * result.samples[-1].masks)
