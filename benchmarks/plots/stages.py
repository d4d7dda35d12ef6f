"""The time of a slice's stages."""

from collections.abc import Sequence

from miniseg_edge.benchmarks.plots.canvas import drawing, name_rows, new_figure, note_right, svg_from_figure
from miniseg_edge.benchmarks.plots.colours import INK, MUTED, rgb
from miniseg_edge.benchmarks.plots.entries import Entry
from miniseg_edge.benchmarks.report import Result

STAGES = ("prepare", "infer", "finish")
_STAGE_OPACITY = (0.4, 1.0, 0.65)


def stage_plot(shown: Sequence[Entry]) -> str:
    """Mean milliseconds of each stage, stacked: means, because only they add up; "" if there are none."""
    rows = [(entry, means) for entry in shown if (means := _stage_means(entry.result))]
    if not rows:
        return ""
    longest = max(sum(means) for _, means in rows)
    with drawing():
        figure, axes = new_figure(0.9 + 0.36 * len(rows))
        for y, (entry, means) in enumerate(rows):
            left = 0.0
            for mean, opacity in zip(means, _STAGE_OPACITY, strict=True):
                colour = _faded(entry.colour, opacity)
                axes.barh(y, mean, 0.62, left, color=colour, edgecolor="white", linewidth=0.8)
                if mean > 0.07 * longest:
                    ink = _readable_on(colour)
                    axes.text(left + mean / 2, y, f"{mean:.2f}", ha="center", va="center", color=ink, size=8)
                left += mean
            note_right(axes, y, f"{left:.2f}", INK)
        note_right(axes, -0.72, "sum", MUTED)
        axes.set_xlim(0, longest * 1.01)
        name_rows(axes, [entry for entry, _ in rows], 0.5)
        axes.set_xlabel("mean of each stage, ms a slice: prepare (light), infer (full), finish (medium)")
        return svg_from_figure(figure, "stages", "Mean time of each stage and configuration")


def _stage_means(result: Result) -> tuple[float, ...]:
    if result.prepare is None or result.infer is None or result.finish is None:
        return ()
    return tuple(stage.mean_ms for stage in (result.prepare, result.infer, result.finish))


def _faded(colour: str, opacity: float) -> str:
    """The colour on white paper, opaque, because overlapping transparency prints badly."""
    return "#" + "".join(f"{round(255 - opacity * (255 - value)):02X}" for value in rgb(colour))


def _readable_on(colour: str) -> str:
    red, green, blue = rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK
