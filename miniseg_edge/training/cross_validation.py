"""One training, or one per fold: reads the slices, divides them, trains, and summarises."""

from collections.abc import Sequence

import numpy as np

from miniseg_edge.console import terminal
from miniseg_edge.studies.labels.folders import LabelledCase, labelled_cases
from miniseg_edge.training.data.folds import Fold, folds_of
from miniseg_edge.training.data.samples import Sample
from miniseg_edge.training.request import HELD_OUT_PARTS, LabelledFolder, TrainingRequest
from miniseg_edge.training.run import Trained, check_held_apart, chosen_device, train_fold
from miniseg_edge.training.start import start_of


def train(request: TrainingRequest) -> tuple[Trained, ...]:
    """Runs the whole training; progress is shown in the terminal.

    Raises:
        InputError and its subclasses: slices or masks that cannot be used.
        OutputExistsError, OutputError, UsageError, NumericError: see `train_fold`.
    """
    device = chosen_device(request.device)
    cases = _cases(request, request.data)
    start = start_of(request, device, from_hu=any(case.is_study for case in cases))
    samples = _samples(request, cases)
    folds = _folds(request, samples)
    _show_data(folds)
    several = request.folds is not None
    found = []
    for fold in folds:
        check_held_apart(fold)
        folder = request.output / f"fold{fold.number}" if several else request.output
        found.append(train_fold(request, start, fold, folder))
    _show(found)
    return tuple(found)


def _cases(request: TrainingRequest, folder: LabelledFolder) -> tuple[LabelledCase, ...]:
    return labelled_cases(
        folder.images,
        folder.masks,
        request.mapping,
        group_pattern=request.group_pattern,
        separate_channels=request.separate_channels,
    )


def _samples(request: TrainingRequest, cases: Sequence[LabelledCase]) -> tuple[Sample, ...]:
    """All slices, 8-bit, in memory."""
    return tuple(
        Sample(slice_.name, slice_.group, slice_.grey(request.window), slice_.label)
        for case in terminal.track(cases, "reading slices")
        for slice_ in case.read()
    )


def _folds(request: TrainingRequest, samples: tuple[Sample, ...]) -> tuple[Fold, ...]:
    if request.folds is not None:
        return folds_of(samples, request.folds, request.seed)
    if request.validation is not None:
        return (Fold(1, samples, _samples(request, _cases(request, request.validation))),)
    return (Fold(1, samples, ()),) if request.on_all else folds_of(samples, HELD_OUT_PARTS, request.seed)[:1]


def _show_data(folds: Sequence[Fold]) -> None:
    rows = []
    for fold in folds:
        labels = [sample.label for sample in fold.training]
        share = sum(int((label == 1).sum()) for label in labels) / sum(label.size for label in labels)
        groups = {sample.group for sample in fold.training}
        rows.append(
            (str(fold.number), str(len(fold.training)), str(len(groups)), f"{share:.2%}", str(len(fold.held_out)))
        )
    terminal.table("Slices", ("fold", "trained on", "groups", "lesion", "held out"), rows)


def _show(found: Sequence[Trained]) -> None:
    rows = [
        (str(one.fold), str(one.record.selection.epoch), f"{one.record.selection.loss:.4f}",
         _figure(one.record.selection.mean_iou), _figure(one.record.selection.dice),
         f"{one.record.duration_s / 60:.1f}", str(one.checkpoint))
        for one in found
    ]  # fmt: skip
    scores = [one.record.selection.mean_iou for one in found if one.record.selection.mean_iou is not None]
    title = f"Held-out mIoU {np.mean(scores):.4f}, deviation {np.std(scores):.4f}" if len(scores) > 1 else "Trained"
    terminal.table(title, ("fold", "epoch", "loss", "mIoU", "Dice", "minutes", "checkpoint"), rows)
    if any(one.record.selection.rule == "best" for one in found):
        terminal.warn("the epoch was chosen on the held-out slices, so their scores are optimistic")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
