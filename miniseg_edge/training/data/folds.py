"""Folds: which slices are held out of a training; one patient's slices stay together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.errors import UsageError
from miniseg_edge.plurals import number_of
from miniseg_edge.training.data.samples import Sample


@dataclass(frozen=True)
class Fold:
    """One division of the slices.

    Attributes:
        number: from 1.
        training: slices to learn from.
        held_out: slices to validate on.
    """

    number: int
    training: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


def folds_of(samples: Sequence[Sample], count: int, seed: int) -> tuple[Fold, ...]:
    """`count` folds; each slice is held out in exactly one of them, and folds have similar numbers of groups.

    Raises:
        UsageError: fewer than two folds, or fewer groups than folds.
    """
    groups = sorted({sample.group for sample in samples})
    if len(groups) < 2:
        got = f"{number_of(len(samples), 'slice')} of {number_of(len(groups), 'group')}"
        raise UsageError(
            "nothing can be held out", expected="slices of two groups or more", got=got,
            remedy="Add slices of another patient, name held-out slices with --validation, "
            "or hold nothing out: --on-all.",
        )  # fmt: skip
    if not 2 <= count <= len(groups):
        raise UsageError(
            "the number of folds is invalid", expected=f"2 to {len(groups)}, the number of groups", got=str(count)
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    place = {groups[index]: position % count for position, index in enumerate(order)}
    return tuple(
        Fold(
            number + 1,
            tuple(sample for sample in samples if place[sample.group] != number),
            tuple(sample for sample in samples if place[sample.group] == number),
        )
        for number in range(count)
    )
