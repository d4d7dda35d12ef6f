"""Accuracy besides speed: every configuration's masks against the reference's, and against labels if there are any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.report import SliceAccuracy
from miniseg_edge.parity.metrics import Confusion, dice
from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Accuracy:
    """One configuration over all slices."""

    slices: tuple[SliceAccuracy, ...]
    mean_iou: float | None

    @property
    def dice_mean(self) -> float:
        """Mean over slices of the Dice against the reference."""
        return float(np.mean([s.dice for s in self.slices]))

    @property
    def dice_worst(self) -> float:
        """The worst slice's."""
        return min(s.dice for s in self.slices)

    @property
    def changed_pixels(self) -> int:
        """Over all slices."""
        return sum(s.changed_pixels for s in self.slices)


def accuracy(
    names: Sequence[str],
    masks: Sequence[ByteArray],
    reference: Sequence[ByteArray],
    labels: Sequence[ByteArray] | None,
    classes: int,
) -> Accuracy:
    """Compares masks (H, W) uint8 slice by slice; `labels` is None or as long as the rest."""
    slices = tuple(
        SliceAccuracy(
            name=name,
            dice=dice(mask, expected),
            changed_pixels=int((mask != expected).sum()),
            lesion_pixels=int((mask > 0).sum()),
            reference_lesion_pixels=int((expected > 0).sum()),
        )
        for name, mask, expected in zip(names, masks, reference, strict=True)
    )
    confusion = Confusion.empty(classes)
    for mask, label in zip(masks, labels or (), strict=False):
        confusion = confusion.plus(mask, label)
    return Accuracy(slices, confusion.mean_iou() if labels is not None else None)
