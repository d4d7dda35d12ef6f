"""Scores of a mask against its label: as in the paper's scorer, and corrected.

The paper's scorer gives an empty prediction 0 in all four of its scores, including the distance: so a network that
finds nothing has a perfect Hausdorff distance, and loses a specificity of 1. The corrected scores omit undefined
values, and report their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.evaluation.distances import BoolMask, hausdorff, hausdorff_95
from miniseg_edge.parity.metrics import IGNORED_LABEL
from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Published:
    """A slice's four scores as published.

    Attributes:
        sensitivity: TP / labelled pixels; 0 if no pixel is labelled.
        specificity: TN / (TN + FP).
        dice: of the lesion.
        hausdorff_px: see `hausdorff`; 0 if a mask is empty.
    """

    sensitivity: float
    specificity: float
    dice: float
    hausdorff_px: float


@dataclass(frozen=True)
class Corrected:
    """The same with corrections; None if a score is undefined.

    Attributes:
        sensitivity: None if no pixel is labelled.
        specificity: None if everything is lesion.
        dice: 1 if both masks are empty.
        hausdorff, hausdorff_95: in pixels, or mm for a volume; 0 if both masks are empty, None if one is.
    """

    sensitivity: float | None
    specificity: float | None
    dice: float
    hausdorff: float | None
    hausdorff_95: float | None


def published(mask: ByteArray, label: ByteArray) -> Published:
    """Of one slice, (H, W) uint8 each, lesion above 0; pixels labelled 255 are ignored."""
    found, truth, judged = _binary(mask, label)
    if not found.any():
        return Published(0.0, 0.0, 0.0, 0.0)
    hit, clear = int((found & truth).sum()), int((~found & ~truth & judged).sum())
    healthy = int((judged & ~truth).sum())
    return Published(
        sensitivity=hit / int(truth.sum()) if truth.any() else 0.0,
        specificity=clear / healthy if healthy else 0.0,
        dice=2 * hit / (int(found.sum()) + int(truth.sum())),
        hausdorff_px=hausdorff(found, truth) if truth.any() else 0.0,
    )


def corrected(mask: ByteArray, label: ByteArray, spacing_mm: Sequence[float] | None = None) -> Corrected:
    """Of a slice (H, W) in pixels, or a volume (D, H, W) in mm; see `published` for the rest."""
    found, truth, judged = _binary(mask, label)
    hit, healthy = int((found & truth).sum()), int((judged & ~truth).sum())
    total = int(found.sum()) + int(truth.sum())
    distances: tuple[float | None, float | None] = (None, None)
    if found.any() and truth.any():
        distances = hausdorff(found, truth, spacing_mm), hausdorff_95(found, truth, spacing_mm)
    elif not total:
        distances = 0.0, 0.0
    return Corrected(
        sensitivity=hit / int(truth.sum()) if truth.any() else None,
        specificity=1 - int((found & ~truth).sum()) / healthy if healthy else None,
        dice=2 * hit / total if total else 1.0,
        hausdorff=distances[0],
        hausdorff_95=distances[1],
    )


def mean_of(values: Sequence[float | None]) -> tuple[float | None, int]:
    """The mean of the defined values, None without any, and the number of the others."""
    known = [value for value in values if value is not None]
    return (float(np.mean(known)) if known else None), len(values) - len(known)


def _binary(mask: ByteArray, label: ByteArray) -> tuple[BoolMask, BoolMask, BoolMask]:
    judged = label != IGNORED_LABEL
    return (mask > 0) & judged, (label > 0) & judged, judged
