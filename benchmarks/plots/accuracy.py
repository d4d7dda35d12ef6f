"""Speed against accuracy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from miniseg_edge.benchmarks.plots.canvas import FONT, drawing, new_figure, shortened, svg_from_figure
from miniseg_edge.benchmarks.plots.colours import INK, LINE, MUTED, RED
from miniseg_edge.benchmarks.plots.entries import Entry
from miniseg_edge.benchmarks.plots.labels import LEADER_FROM, box_at, nearest, placed_labels
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def accuracy_plot(shown: Sequence[Entry], baseline: str) -> str:
    """Worst Dice over speed, right and up is better; "" if there is nothing to show."""
    label, speeds = _speeds(shown, baseline)
    points = [(entry, speeds[i], entry.result.dice_worst) for i, entry in enumerate(shown) if i in speeds]
    if not points:
        return ""
    with drawing():
        figure, axes = new_figure(4.2, left=0.075, right=0.98)
        _frame_accuracy(axes, [x for _, x, _ in points], [y for _, _, y in points])
        for entry, x, y in points:
            edge, width = (RED, 2.0) if entry.wrong else ("white", 1.0)
            axes.plot(
                [x], [y], marker="s" if entry.peer else "o", markersize=10 if entry.peer else 8, color=entry.colour,
                linestyle="", markeredgecolor=edge, markeredgewidth=width, clip_on=False, zorder=3 if entry.peer else 4,
            )  # fmt: skip
        _label_points(axes, points)
        if label.startswith("speed"):
            axes.axvline(1.0, color=LINE, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel(label)
        axes.set_ylabel("worst Dice against the reference")
        return svg_from_figure(figure, "accuracy", "Speed against accuracy of each configuration")


def _speeds(shown: Sequence[Entry], baseline: str) -> tuple[str, dict[int, float]]:
    """The meaning of speed here, and its values by index in `shown`: the ratio to the baseline, or a substitute."""
    ratios = {i: e.result.ratio_to_baseline for i, e in enumerate(shown) if e.result.ratio_to_baseline is not None}
    if ratios:
        return f"speed: p50 of {shortened(baseline, 40)} over this p50 (right is faster)", ratios
    p50 = {i: e.result.p50_ms for i, e in enumerate(shown) if e.result.p50_ms is not None}
    if p50:
        return "p50, ms (left is faster)", p50
    return "throughput, slices/s (right is faster)", {i: e.result.throughput_slices_per_s for i, e in enumerate(shown)}


def _frame_accuracy(axes: "Axes", x: Sequence[float], y: Sequence[float]) -> None:
    """Limits with room for labels, and the region of other lesions than the reference's."""
    width = max(x) - min(x) or 0.2 * max(x) or 1.0
    axes.set_xlim(min(x) - 0.1 * width, max(x) + 0.3 * width)
    depth = 1.0 - min(*y, DIFFERENT_LESION)
    bottom = max(1.0 - 1.18 * depth, -0.02)
    axes.set_ylim(bottom, 1.0 + 0.3 * (1.0 - bottom))
    axes.axhspan(bottom, DIFFERENT_LESION, color="#FBEAE8", linewidth=0, zorder=0)
    axes.yaxis.set_ticks([tick for tick in axes.get_yticks() if bottom <= tick <= 1.0 + 1e-9])
    axes.annotate(
        f"below {DIFFERENT_LESION:g}: another lesion", (0, 0), (6, 6), "axes fraction", textcoords="offset points",
        color=RED, size=8,
    )  # fmt: skip


def _label_points(axes: "Axes", points: Sequence[tuple[Entry, float, float]]) -> None:
    at = [tuple(float(v) for v in axes.transData.transform((x, y))) for _, x, y in points]
    texts = [shortened(entry.label, 34) for entry, _, _ in points]
    sizes = [(0.6 * FONT * len(text), 1.3 * FONT) for text in texts]
    box = axes.get_window_extent()
    note = (box.x0, box.y0, box.x0 + 150.0, box.y0 + 20.0)
    places = placed_labels([(x, y) for x, y in at], sizes, (box.x0, box.y0, box.x1, box.y1), [note])
    for (entry, x, y), text, start, corner, size in zip(points, texts, at, places, sizes, strict=True):
        near = nearest(box_at(corner, size), (start[0], start[1]))
        if float(np.hypot(near[0] - start[0], near[1] - start[1])) > LEADER_FROM:
            tip = axes.transData.inverted().transform(near)
            axes.plot([x, tip[0]], [y, tip[1]], color=MUTED, linewidth=0.6, zorder=2, clip_on=False)
        # Sizes are estimates, because the browser's font decides; so a label starts or ends at the point nearest to its
        # mark.
        right = corner[0] + size[0] / 2 > start[0]
        shift = (corner[0] + (0.0 if right else size[0]) - start[0], corner[1] + size[1] / 2 - start[1])
        axes.annotate(
            text, (x, y), shift, textcoords="offset points", ha="left" if right else "right", va="center", zorder=5,
            color=RED if entry.wrong else INK, weight="normal" if entry.peer else "bold",
        )  # fmt: skip
