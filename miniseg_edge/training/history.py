"""The history of a training, epoch by epoch: `history.json`, and its curves as a picture."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from miniseg_edge.host.dependencies import require

_LOSS, _IOU, _DICE, _KEPT = "#222222", "#4477aa", "#228833", "#cc3311"
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Entry:
    """One epoch.

    Attributes:
        epoch: from 1.
        loss, learning_rate: see `trainer.Epoch`.
        mean_iou, dice: on the held-out slices, 0..1; None without any.
        duration_s: of its iterations and its validation.
    """

    epoch: int
    loss: float
    learning_rate: float
    mean_iou: float | None
    dice: float | None
    duration_s: float


@dataclass(frozen=True)
class History:
    """All epochs of one training."""

    entries: tuple[Entry, ...]


def best_of(entries: Sequence[Entry]) -> Entry:
    """The epoch with the highest mIoU; the earliest of several."""
    return max(entries, key=lambda entry: (entry.mean_iou or 0.0, -entry.epoch))


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The values as a row of bars, the latest at the right; older ones are thinned to `width`."""
    step = max(1, -(-len(values) // width))
    shown = list(values[::-1][::step][::-1])
    low, high = min(shown), max(shown)
    return "".join(_BARS[round((value - low) / (high - low or 1.0) * (len(_BARS) - 1))] for value in shown)


def curves_png(history: History, kept: int | None) -> bytes:
    """Loss, mIoU and Dice by epoch, the kept epoch marked. Raises: MissingDependencyError."""
    figures: Any = require("matplotlib.figure", "train")
    figure = figures.Figure(figsize=(8, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [entry.epoch for entry in history.entries]
    left.plot(epochs, [entry.loss for entry in history.entries], color=_LOSS)
    left.set_title("training loss", fontsize=10)
    left.set_ylim(bottom=0)
    judged = [entry for entry in history.entries if entry.mean_iou is not None]
    for name, colour in (("mIoU", _IOU), ("Dice", _DICE)):
        values = [entry.mean_iou if name == "mIoU" else entry.dice for entry in judged]
        right.plot([entry.epoch for entry in judged], values, color=colour, label=name)
    right.set_title("held-out slices" if judged else "no held-out slices", fontsize=10)
    right.set_ylim(0, 1)
    if judged:
        right.legend(loc="lower right", frameon=False)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if kept is not None:
            axes.axvline(kept, color=_KEPT, linewidth=0.8, linestyle="--")
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
