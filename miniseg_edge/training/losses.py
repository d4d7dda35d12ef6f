"""The loss of the paper: weighted cross-entropy of the main head, plus a fraction of the auxiliary ones."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from miniseg_edge.errors import InputError
from miniseg_edge.parity.metrics import IGNORED_LABEL
from miniseg_edge.slices.preprocessing import ByteArray

_WEIGHT_OFFSET = 1.10
"""Limits a rare class's weight to 1 / ln(1.10) = 10.5 (ENet, Paszke et al. 2016, uses 1.02 here)."""


def class_weights(labels: Iterable[ByteArray], classes: int) -> Tensor:
    """1 / ln(1.10 + f), f being each class's share of the labelled pixels: (classes,) float32.

    Args:
        labels: (H, W) uint8 each, 0..classes - 1, or 255 for ignored pixels.
        classes: the network's.

    Raises:
        InputError: no labelled pixel, or a label that is not a class.
    """
    counts = np.zeros(256, dtype=np.int64)
    for label in labels:
        counts += np.bincount(label.ravel(), minlength=256)
    strange = np.flatnonzero(counts[classes:IGNORED_LABEL]) + classes
    if strange.size:
        raise InputError(
            "a label is not a class", expected=f"0..{classes - 1}, or {IGNORED_LABEL} to ignore", got=str(strange[0])
        )
    labelled = counts[:classes]
    if not labelled.any():
        raise InputError("no pixel is labelled", expected="at least one pixel that is not ignored", got="none")
    weights = 1.0 / np.log(_WEIGHT_OFFSET + labelled / labelled.sum())
    return torch.from_numpy(weights.astype(np.float32))


def segmentation_loss(heads: Sequence[Tensor], label: Tensor, weights: Tensor, auxiliary_weight: float) -> Tensor:
    """Cross-entropy of the first head + `auxiliary_weight` x that of each other head; a scalar.

    Each cross-entropy is the mean over labelled pixels, weighted by their class.

    Args:
        heads: logits (N, classes, H, W) of the main head and of any auxiliary ones.
        label: (N, H, W) int64; 255 is ignored.
        weights: (classes,) of `class_weights`.
        auxiliary_weight: 0.4 in the paper.
    """
    main, *auxiliary = (F.cross_entropy(logits, label, weights, ignore_index=IGNORED_LABEL) for logits in heads)
    return main + auxiliary_weight * sum(auxiliary, torch.zeros_like(main))
