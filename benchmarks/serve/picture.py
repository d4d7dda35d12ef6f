"""The results of a load test: a table in the terminal, and a picture of every request and of the service's memory."""

import io
from typing import TYPE_CHECKING

import numpy as np

from miniseg_edge.benchmarks.plots import INK, LINE, MUTED, OUR_COLOURS, RED, drawing
from miniseg_edge.benchmarks.serve.report import Phase, ServeReport
from miniseg_edge.benchmarks.statistics import Distribution
from miniseg_edge.console import terminal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (OUR_COLOURS[0], OUR_COLOURS[1], OUR_COLOURS[2], OUR_COLOURS[4])
"""None of them close to the red of a 503."""

_SIZE_IN, _DPI = (9.4, 5.6), 100
_COLUMNS = (
    "",
    "offered/s",
    "masks/s",
    "requests",
    "p50 ms",
    "p99 ms",
    "max ms",
    "503",
    "503 p99 ms",
    "504",
    "lost",
    "wrong",
)


def show_serve(report: ServeReport) -> None:
    """A row per phase; errors in red."""
    bad = [index for index, one in enumerate(report.phases) if one.wrong or one.lost or one.other or one.late]
    title = f"Service, {report.streams} streams, queue of {report.queue}, {report.machine.name}"
    terminal.table(title, _COLUMNS, [_row(one) for one in report.phases], bad)
    terminal.say(f"{report.runs}; latency from when a request was due to its mask")
    slope = report.memory_slope
    memory = (
        f"memory {report.memory_first_mb:.0f} -> {report.memory_last_mb:.0f} MB while every place is full, "
        f"{slope.per_minute:+.2g} MB a minute ({slope.low:+.2g}..{slope.high:+.2g})"
    )
    terminal.say(f"{memory}: grows" if report.memory_grows else memory, "bad" if report.memory_grows else "plain")
    if report.sound:
        terminal.say("every request got its own mask or a 503", "good")


def _row(one: Phase) -> tuple[str, ...]:
    served, busy = one.latency, one.busy_latency
    share = f"{one.busy} ({one.busy / max(1, one.requests):.0%})"
    return (
        one.name, f"{one.offered_per_s:.1f}", f"{one.answered_per_s:.1f}", f"{one.requests:,}", _ms(served, "p50_ms"),
        _ms(served, "p99_ms"), _ms(served, "max_ms"), share, _ms(busy, "p99_ms"), f"{one.late}", f"{one.lost}",
        f"{one.wrong}",
    )  # fmt: skip


def _ms(found: Distribution | None, name: str) -> str:
    return "" if found is None else f"{getattr(found, name):.1f}"


def png_from_serve(report: ServeReport) -> bytes:
    """Every request over time, a mask as a dot and a 503 as a cross; below, the service's memory."""
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(_SIZE_IN, dpi=_DPI, layout="constrained")
        latency, memory = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
        for index, phase in enumerate(report.phases):
            _draw(latency, phase, _COLOURS[index % len(_COLOURS)])
        latency.set_yscale("log")
        latency.yaxis.set_major_formatter("{x:g}")
        latency.set_title(
            "ms from when a request was due to its mask, or to its 503 (red)", loc="left", color=INK, size=9
        )
        memory.plot([one.elapsed_s for one in report.memory], [one.mb for one in report.memory], color=OUR_COLOURS[0])
        memory.set_ylim(0, 1.2 * max((one.mb for one in report.memory), default=1.0))
        memory.set_title("memory of the service, MB", loc="left", color=INK, size=9)
        memory.set_xlabel("seconds")
        for axes in (latency, memory):
            axes.grid(axis="y", color=LINE, linewidth=0.6)
            axes.tick_params(colors=MUTED)
        top = latency.get_ylim()[1]
        latency.set_ylim(latency.get_ylim()[0], top * 4)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def _draw(axes: "Axes", phase: Phase, colour: str) -> None:
    for busy, style, shade in ((False, ".", colour), (True, "x", RED)):
        found = [one for one in phase.samples if (one.status == 503) == busy and one.status]
        times = [phase.began_s + one.due_s for one in found]
        axes.plot(times, [one.latency_ms for one in found], style, color=shade, markersize=3, alpha=0.6)
    middle = phase.began_s + float(np.max([one.due_s for one in phase.samples], initial=0.0)) / 2
    label = f"{phase.name}\n{phase.offered_per_s:.0f}/s"
    if phase.latency is not None:
        label += f"\np50 {phase.latency.p50_ms:.0f}, p99 {phase.latency.p99_ms:.0f}"
    axes.text(middle, 0.98, label, transform=axes.get_xaxis_transform(), ha="center", va="top", color=INK, size=8)
