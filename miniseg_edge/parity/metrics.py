"""Agreement of masks: with labels (accuracy) and with each other (parity)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.slices.preprocessing import ByteArray

IGNORED_LABEL = 255
"""Label value of unlabelled pixels, in label maps of more than two classes."""


def dice(one: ByteArray, other: ByteArray) -> float:
    """Dice coefficient 2 |A and B| / (|A| + |B|) of the lesion (any class above 0), 0..1.

    Two empty masks agree: 1. (The published scorer gives 0 for an empty prediction.)

    Args:
        one, other: masks of equal shape (H, W).
    """
    a, b = one > 0, other > 0
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


@dataclass(frozen=True)
class Confusion:
    """Pixel counts (C, C) int64, rows by label, columns by prediction; immutable, add one slice after another."""

    counts: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> "Confusion":
        """No pixel counted yet."""
        return cls(np.zeros((classes, classes), np.int64))

    def plus(self, prediction: ByteArray, label: ByteArray) -> "Confusion":
        """With another slice counted; both (H, W), values 0..C-1; labels of 255 are ignored."""
        classes = len(self.counts)
        judged = label != IGNORED_LABEL
        index = label[judged].astype(np.int64) * classes + prediction[judged]
        return Confusion(self.counts + np.bincount(index, minlength=classes**2).reshape(classes, classes))

    def class_iou(self) -> tuple[float | None, ...]:
        """TP / (TP + FP + FN) of each class, over all pixels counted; None for classes that never occur."""
        hits = np.diag(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return tuple(float(h) / float(u) if u else None for h, u in zip(hits, union, strict=True))

    def kappa(self) -> float | None:
        """Cohen's kappa of the lesion (any class above 0) against the background: agreement beyond chance.

        (o - e) / (1 - e) with the share o of pixels that agree, and e of those that would if as many were marked at
        random (Cohen, 1960): 0 for masks that mark everything, nothing, or at random; 1 for the label itself. None
        where the labels are all lesion or all background.
        """
        together = self.counts.astype(np.float64) / max(1, int(self.counts.sum()))
        labelled, marked, both = together[1:].sum(), together[:, 1:].sum(), together[1:, 1:].sum()
        if not self.counts[1:].sum() or not self.counts[0].sum():
            return None
        observed = both + together[0, 0]
        expected = labelled * marked + (1 - labelled) * (1 - marked)
        return float((observed - expected) / (1 - expected))

    def mean_iou(self) -> float:
        """Mean over the classes that occur of their IoU; 1 where nothing was counted."""
        known = [iou for iou in self.class_iou() if iou is not None]
        return float(np.mean(known)) if known else 1.0
