"""Labelled slices as training sees them: 8-bit, by name, with the group that keeps one patient's slices together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from miniseg_edge.errors import InputError
from miniseg_edge.slices.preprocessing import GREY_MAX, ByteArray, FloatArray, Statistics


@dataclass(frozen=True, eq=False)
class Sample:
    """A slice and its label.

    Attributes:
        name: for people.
        group: slices of one group are never split between training and validation.
        image: (H, W) uint8 grey, or (H, W, C) channels that differ; 0..255.
        label: (H, W) uint8; 0..classes - 1, or 255 for pixels to ignore.
    """

    name: str
    group: str
    image: ByteArray
    label: ByteArray

    def __post_init__(self) -> None:
        if self.image.shape[:2] != self.label.shape:
            size = str(self.image.shape[:2])
            raise InputError(f"the label of {self.name} has a different size", expected=size, got=str(self.label.shape))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of shape, pixels and label, in hex: identifies the training data without names."""
        digest = hashlib.sha256(repr(self.image.shape).encode())
        digest.update(np.ascontiguousarray(self.image).data)
        digest.update(np.ascontiguousarray(self.label).data)
        return digest.hexdigest()


def training_statistics(images: Sequence[ByteArray]) -> Statistics:
    """Averages of each slice's mean and standard deviation, on the 0..1 scale.

    Args:
        images: (H, W) or (H, W, C) uint8 each; 0..255.

    Raises:
        InputError: no slices.
        StatisticsError: all slices are constant.
    """
    if not images:
        raise InputError("there are no training slices", expected="at least one", got="none")
    means = [float(np.mean(image, dtype=np.float64)) for image in images]
    deviations = [float(np.std(image, dtype=np.float64)) for image in images]
    return Statistics(float(np.mean(means)) / GREY_MAX, float(np.mean(deviations)) / GREY_MAX)


def normalised(image: ByteArray, statistics: Statistics) -> FloatArray:
    """Grey uint8 of any shape -> float32: on the 0..1 scale, minus the mean, over the deviation."""
    grey = image.astype(np.float32) / np.float32(GREY_MAX)
    return (grey - np.float32(statistics.mean)) / np.float32(statistics.std)
