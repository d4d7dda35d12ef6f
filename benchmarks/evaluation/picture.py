"""The best, the median and the worst slice as pictures: slice, label and mask."""

from collections.abc import Sequence

import numpy as np

from miniseg_edge.benchmarks.evaluation.evaluate import Drawn, drawn_case
from miniseg_edge.benchmarks.evaluation.evaluated import Evaluated
from miniseg_edge.benchmarks.evaluation.report import EvaluationReport
from miniseg_edge.parity.metrics import IGNORED_LABEL
from miniseg_edge.slices.images import overlay
from miniseg_edge.slices.preprocessing import ByteArray, Window
from miniseg_edge.studies.labels.folders import LabelledCase
from miniseg_edge.studies.pictures import contact_sheet

_TILE = 360


def shown_names(report: EvaluationReport) -> tuple[tuple[str, str], ...]:
    """("best", name), ("median", name) and ("worst", name) by Dice; of equals, the one with the larger lesion."""
    ranked = sorted(report.slices, key=lambda one: (-one.corrected.dice, -one.labelled_pixels, one.name))
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    return tuple((title, ranked[place].name) for title, place in places.items())


def extremes(report: EvaluationReport, subject: Evaluated, cases: Sequence[LabelledCase], window: Window) -> ByteArray:
    """A BGR picture with a row for each of best, median and worst: slice, label, mask."""
    dice = {one.name: one.corrected.dice for one in report.slices}
    tiles: list[tuple[str, ByteArray]] = []
    for title, name in shown_names(report):
        drawn = _drawn(name, subject, cases)
        grey = _shown(drawn, window)
        label = np.where(drawn.slice.label == IGNORED_LABEL, 0, drawn.slice.label).astype(np.uint8)
        tiles.append((f"{title}: {name}", overlay(grey, np.zeros_like(label))))
        tiles.append((f"label, {int((label > 0).sum()):,} px", overlay(grey, label)))
        tiles.append((f"drawn, {int((drawn.mask > 0).sum()):,} px, Dice {dice[name]:.3f}", overlay(grey, drawn.mask)))
    return contact_sheet(tiles, columns=3, tile=_TILE)


def _drawn(name: str, subject: Evaluated, cases: Sequence[LabelledCase]) -> Drawn:
    """Reads and segments the slice's case again: pictures of all slices would not fit in memory."""
    case = next(case for case in cases if name == case.name or name.startswith(f"{case.name}:"))
    return next(drawn for drawn in drawn_case(subject, case) if drawn.slice.name == name)


def _shown(drawn: Drawn, window: Window) -> ByteArray:
    grey = drawn.slice.grey(window)
    return grey if grey.ndim == 2 else np.ascontiguousarray(grey[..., grey.shape[2] // 2])
