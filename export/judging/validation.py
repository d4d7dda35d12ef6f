"""The validation slices: the user's, with labels if there are any, or the demo phantoms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.phantoms import phantoms
from miniseg_edge.plurals import number_of
from miniseg_edge.slices.images import image_paths, label_from_file, slice_from_file
from miniseg_edge.slices.preprocessing import ByteArray

PHANTOM_COUNT = 8
PHANTOM_FIRST_SEED = 9000
"""Seeds that the demo checkpoint was not trained on."""


@dataclass(frozen=True)
class ValidationSlice:
    """A slice by name: read when needed, so that a large set needs no memory."""

    name: str
    image_path: Path
    label_path: Path | None
    classes: int
    channels: int = 1

    def image(self) -> ByteArray:
        """(H, W) uint8 grey, or (H, W, 3) RGB."""
        return slice_from_file(self.image_path, self.channels)

    def label(self) -> ByteArray | None:
        """(H, W) uint8 classes, of the slice's size, or None. Raises: InputError."""
        if self.label_path is None:
            return None
        label = label_from_file(self.label_path, self.classes)
        if label.shape != (shape := self.image().shape[:2]):
            raise InputError(
                f"the label of {self.name} has a different size", expected=str(shape), got=str(label.shape)
            )
        return label


@dataclass(frozen=True)
class PixelSlice:
    """A slice in memory without a label, in place of a ValidationSlice: a demo phantom, or one held out.

    Phantoms have no labels, because a user's checkpoint must not be judged by our definition of a lesion.
    """

    name: str
    pixels: ByteArray

    def image(self) -> ByteArray:
        """(H, W) uint8 grey, or (H, W, C)."""
        return self.pixels

    def label(self) -> ByteArray | None:
        """No label."""
        return None


@dataclass(frozen=True)
class ValidationSet:
    """A description of the slices, and the slices."""

    description: str
    slices: tuple[ValidationSlice | PixelSlice, ...]


def phantom_set(size: tuple[int, int], channels: int = 1) -> ValidationSet:
    """The demo phantoms at the network's size."""
    found = phantoms(PHANTOM_COUNT, first_seed=PHANTOM_FIRST_SEED, size=size)
    slices = tuple(PixelSlice(p.name, _in_channels(p.image, channels)) for p in found)
    return ValidationSet(f"{len(slices)} demo phantoms, no labels", slices)


def _in_channels(image: ByteArray, channels: int) -> ByteArray:
    """(H, W), or (H, W, C) with different channels, like those of neighbouring slices: each shifted by 4 pixels."""
    if channels == 1:
        return image
    return np.stack([np.roll(image, 4 * index, axis=1) for index in range(channels)], axis=2)


def validation_set(images: Path, labels: Path | None, classes: int, channels: int = 1) -> ValidationSet:
    """The slices in a folder, each with the label of the same stem if there is a folder of labels.

    Raises:
        NoImagesError: no slices, or no labels.
        UsageError: a slice without a label, or two files have the same stem.
    """
    paths = image_paths(images)
    by_stem = _by_stem(image_paths(labels)) if labels is not None else {}
    _by_stem(paths)
    missing = [p.stem for p in paths if p.stem not in by_stem] if labels is not None else []
    if missing:
        raise UsageError(
            "some slices have no label", expected="a label of the same stem for each", got=", ".join(missing[:12])
        )
    slices = tuple(ValidationSlice(p.stem, p, by_stem.get(p.stem), classes, channels) for p in paths)
    return ValidationSet(f"{number_of(len(slices), 'slice')}, {'with' if labels else 'no'} labels", slices)


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise UsageError(
                "two files have the same stem",
                expected="one file for each slice",
                got=f"{found[path.stem].name}, {path.name}",
            )
        found[path.stem] = path
    return found
