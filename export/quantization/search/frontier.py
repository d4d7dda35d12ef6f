"""The search's picture: speed against Dice, a point for each set of groups."""

import io
from typing import Any

from miniseg_edge.export.quantization.search.plan import QuantizationPlan
from miniseg_edge.export.quantization.search.search import sets_of
from miniseg_edge.host.dependencies import require
from miniseg_edge.parity.comparison import ParityLimits

_KEPT, _FAILED, _CHOSEN = "#4477aa", "#bbbbbb", "#cc3311"


def frontier_png(plan: QuantizationPlan, limits: ParityLimits) -> bytes:
    """A PNG of the measured trials, the limits and the choice. Raises: MissingDependencyError."""
    figures: Any = require("matplotlib.figure", "quantize")
    figure = figures.Figure(figsize=(8, 5), dpi=110, layout="constrained")
    mean, worst = figure.subplots(1, 2, sharex=True)
    for axes, title, limit in ((mean, "mean", limits.min_dice_mean), (worst, "worst slice", limits.min_dice_worst)):
        for trial in sets_of(plan):
            dice = trial.dice_mean if axes is mean else trial.dice_worst
            chosen = trial.groups == plan.groups
            colour = _CHOSEN if chosen else _FAILED if trial.failures else _KEPT
            axes.plot(trial.speed, dice, "o", color=colour, markersize=9 if chosen else 6, zorder=3 if chosen else 2)
            axes.annotate(
                str(len(trial.groups)), (trial.speed, dice), (0, 7), textcoords="offset points", ha="center", fontsize=7
            )
        axes.axhline(limit, color="#222222", linewidth=0.8, linestyle="--")
        axes.axvline(1, color="#222222", linewidth=0.8, linestyle=":")
        axes.set_title(f"Dice against FP32, {title}", fontsize=10)
        axes.set_xlabel("speed over FP32")
        axes.grid(alpha=0.25)
    figure.suptitle(
        "INT8: red is kept; a point's number is how many groups are quantized; dashed: the limit", fontsize=9
    )
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
