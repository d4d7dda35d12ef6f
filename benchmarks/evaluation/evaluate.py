"""Runs a network over labelled cases, one case in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.evaluation.evaluated import Evaluated
from miniseg_edge.benchmarks.evaluation.report import (
    EVALUATION_SCHEMA_VERSION,
    EvaluationReport,
    SliceScores,
    VolumeScores,
    corrected_means,
    published_means,
)
from miniseg_edge.benchmarks.evaluation.scores import corrected, published
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.parity.metrics import IGNORED_LABEL, Confusion
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.labels.folders import LabelledCase, LabelledSlice


@dataclass(frozen=True, eq=False)
class Drawn:
    """A slice, and its mask (H, W) uint8."""

    slice: LabelledSlice
    mask: ByteArray


def evaluated(subject: Evaluated, cases: Sequence[LabelledCase]) -> EvaluationReport:
    """Scores of all slices and volumes.

    Raises:
        UsageError: the labels have more classes than the network. InputError and its subclasses: a case cannot be read
            or segmented.
    """
    slices: list[SliceScores] = []
    volumes: list[VolumeScores] = []
    confusion = Confusion.empty(subject.classes)
    for case in terminal.track(cases, "evaluating"):
        drawn = drawn_case(subject, case)
        for one in drawn:
            confusion = confusion.plus(one.mask, one.slice.label)
            slices.append(_slice_scores(one))
        if case.is_study:
            volumes.append(_volume_scores(case.name, drawn))
    return EvaluationReport(
        schema_version=EVALUATION_SCHEMA_VERSION,
        subject=subject.name,
        sha256=subject.sha256,
        mean_iou=confusion.mean_iou(),
        class_iou=confusion.class_iou(),
        published=published_means(slices),
        corrected=corrected_means(slices),
        slices=tuple(slices),
        volumes=tuple(volumes),
    )


def drawn_case(subject: Evaluated, case: LabelledCase) -> list[Drawn]:
    """All slices of a case with their masks. Raises: as `evaluated`."""
    if case.mapping.classes > subject.classes:
        raise UsageError(
            "the labels do not match the network's classes",
            expected=f"at most {subject.classes}",
            got=str(case.mapping.classes),
        )
    return [Drawn(slice_, subject.mask(slice_)) for slice_ in case.read()]


def _slice_scores(one: Drawn) -> SliceScores:
    label = one.slice.label
    return SliceScores(
        name=one.slice.name,
        labelled_pixels=int(((label > 0) & (label != IGNORED_LABEL)).sum()),
        drawn_pixels=int((one.mask > 0).sum()),
        published=published(one.mask, label),
        corrected=corrected(one.mask, label),
    )


def _volume_scores(name: str, drawn: Sequence[Drawn]) -> VolumeScores:
    mask, label = np.stack([one.mask for one in drawn]), np.stack([one.slice.label for one in drawn])
    spacing_mm = drawn[0].slice.spacing_mm
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0 if spacing_mm is not None else 0.0
    labelled = int(((label > 0) & (label != IGNORED_LABEL)).sum())
    return VolumeScores(
        name=name,
        slices=len(drawn),
        labelled_ml=labelled * voxel_ml,
        drawn_ml=int((mask > 0).sum()) * voxel_ml,
        corrected=corrected(mask, label, spacing_mm),
    )
