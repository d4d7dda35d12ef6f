"""The result of an evaluation, as `evaluation.json`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.evaluation.scores import Corrected, Published, mean_of

EVALUATION_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SliceScores:
    """One slice's; distances in pixels."""

    name: str
    labelled_pixels: int
    drawn_pixels: int
    published: Published
    corrected: Corrected


@dataclass(frozen=True)
class VolumeScores:
    """One study's, over all its voxels; distances in mm."""

    name: str
    slices: int
    labelled_ml: float
    drawn_ml: float
    corrected: Corrected


@dataclass(frozen=True)
class Mean:
    """A corrected score's mean over those slices where it is defined, and the number of the others."""

    mean: float | None
    left_out: int


@dataclass(frozen=True)
class CorrectedMeans:
    """Over slices."""

    sensitivity: Mean
    specificity: Mean
    dice: Mean
    hausdorff: Mean
    hausdorff_95: Mean


@dataclass(frozen=True)
class EvaluationReport:
    """One network on one set of slices.

    Attributes:
        schema_version: of this report.
        subject, sha256: what was evaluated.
        mean_iou: over all pixels of all slices, mean over classes; the published mIoU of a fold.
        class_iou: of each class, background first; None for classes that never occur.
        published: means over slices of the published scores.
        corrected: means over slices of the corrected ones.
        slices: in order.
        volumes: of studies, in order.
    """

    schema_version: int
    subject: str
    sha256: str
    mean_iou: float
    class_iou: tuple[float | None, ...]
    published: Published
    corrected: CorrectedMeans
    slices: tuple[SliceScores, ...]
    volumes: tuple[VolumeScores, ...]


def published_means(slices: Sequence[SliceScores]) -> Published:
    """Each published score's mean over slices."""
    scores = [one.published for one in slices]
    return Published(
        sensitivity=float(np.mean([one.sensitivity for one in scores])),
        specificity=float(np.mean([one.specificity for one in scores])),
        dice=float(np.mean([one.dice for one in scores])),
        hausdorff_px=float(np.mean([one.hausdorff_px for one in scores])),
    )


def corrected_means(slices: Sequence[SliceScores]) -> CorrectedMeans:
    """Each corrected score's mean over the slices where it is defined."""
    scores = [one.corrected for one in slices]
    return CorrectedMeans(
        sensitivity=Mean(*mean_of([one.sensitivity for one in scores])),
        specificity=Mean(*mean_of([one.specificity for one in scores])),
        dice=Mean(*mean_of([one.dice for one in scores])),
        hausdorff=Mean(*mean_of([one.hausdorff for one in scores])),
        hausdorff_95=Mean(*mean_of([one.hausdorff_95 for one in scores])),
    )
