"""Labelled slices from folders of images and masks: PNG and JPEG, NIfTI, DICOM, matched by name."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.errors import InputError, NoImagesError, UsageError
from miniseg_edge.host.neighbours import with_neighbours
from miniseg_edge.plurals import listed
from miniseg_edge.slices import hu_values
from miniseg_edge.slices.images import IMAGE_SUFFIXES, label_from_file, slice_from_file
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, Window
from miniseg_edge.slices.value_counts import Tally
from miniseg_edge.studies.labels.mapping import LabelMapping
from miniseg_edge.studies.nifti.names import SUFFIXES as NIFTI_SUFFIXES

STUDY_SUFFIXES = (*reversed(NIFTI_SUFFIXES), ".dcm")
SEPARATE_CHANNELS = 3
"""Separate channels: the colours of an image, or the slice before, the slice, and the slice after in a study."""

MOST_LEVELS_OF_A_MASK, FEWEST_LEVELS_OF_A_SLICE = 8, 32
"""Grey levels by which images and masks that were swapped are noticed."""


@dataclass(frozen=True, eq=False)
class LabelledSlice:
    """A slice and its label.

    Attributes:
        name: of the file, or of the study with the slice's index.
        case, group: of the `LabelledCase`.
        values: (H, W) uint8 grey 0..255, or float32 HU; (H, W, 3) with separate channels.
        in_hu: whether they are HU.
        label: (H, W) uint8; classes, 255 for ignored pixels.
        spacing_mm: between slices, rows and columns; None for images.
    """

    name: str
    case: str
    group: str
    values: ByteArray | FloatArray
    in_hu: bool
    label: ByteArray
    spacing_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.values.shape[:2] != self.label.shape:
            size = str(self.values.shape[:2])
            raise InputError(f"the label of {self.name} has a different size", expected=size, got=str(self.label.shape))

    def grey(self, window: Window | None) -> ByteArray:
        """8-bit grey, HU through the window. Raises: UsageError for HU without a window."""
        if not self.in_hu:
            return self.values.astype(np.uint8)
        if window is None:
            raise UsageError(
                f"{self.case} is in HU, but no window was given", expected="a window, --window LOW HIGH", got="none"
            )
        return np.rint(window.grey_from_hu(self.values)).astype(np.uint8)


@dataclass(frozen=True)
class LabelledCase:
    """An image, or a study of many slices, with its labels; not read yet.

    Attributes:
        name: of its file or folder, without suffix.
        group: cases of one group belong to one patient.
        image, mask: their paths.
        mapping: of the mask's values.
        separate_channels: see `SEPARATE_CHANNELS`.
    """

    name: str
    group: str
    image: Path
    mask: Path
    mapping: LabelMapping
    separate_channels: bool

    @property
    def is_study(self) -> bool:
        """Whether it has HU and a geometry."""
        return self.image.suffix.lower() not in IMAGE_SUFFIXES

    def read(self) -> tuple[LabelledSlice, ...]:
        """All its slices, in order.

        Raises:
            InputError and its subclasses: unreadable, different sizes, a mask that is not aligned with its study, or a
            study whose values are not HU (HuValuesError).
            MissingDependencyError: a study without the extra `dicom`.
        """
        return self._study_slices() if self.is_study else (self._image_slice(),)

    def _image_slice(self) -> LabelledSlice:
        values = slice_from_file(self.image, SEPARATE_CHANNELS if self.separate_channels else 1)
        # Without named values, coloured masks are accepted: every pixel that is not black is lesion.
        stored = slice_from_file(self.mask) if self.mapping.named else label_from_file(self.mask, 2)
        label = self.mapping.applied(stored, self.mask.name)
        self._check_not_swapped(values)
        return LabelledSlice(self.name, self.name, self.group, values, False, label)

    def _check_not_swapped(self, values: ByteArray) -> None:
        """A slice of CT has many grey levels, a mask few. Raises: InputError, if image and mask are the other way."""
        if len(np.unique(values)) > MOST_LEVELS_OF_A_MASK:
            return
        if len(np.unique(slice_from_file(self.mask))) >= FEWEST_LEVELS_OF_A_SLICE:
            raise InputError(
                f"{self.image.name} looks like a mask, and its mask like a CT slice",
                expected="slices in --images and masks in --masks",
                got="the reverse",
                remedy="Swap the two folders.",
            )

    def _study_slices(self) -> tuple[LabelledSlice, ...]:
        from miniseg_edge.studies import open_study
        from miniseg_edge.studies.labels.of_studies import study_labels

        study = open_study(self.image)
        stored = study_labels(study, self.mask)
        spacing_mm = (study.geometry.slice_spacing_mm, *study.geometry.pixel_spacing_mm)
        found, tally = [], Tally()
        for index in range(len(study)):
            name = f"{self.name}:{index:04d}"
            label = self.mapping.applied(stored(index), self.mask.name)
            values = study.read(index).voxels_hu
            tally.add(index, values)
            found.append(LabelledSlice(name, self.name, self.group, values, True, label, spacing_mm))
        hu_values.checked(tally.total)
        return _with_neighbours(found) if self.separate_channels else tuple(found)


def labelled_cases(
    images: Path,
    masks: Path,
    mapping: LabelMapping | None = None,
    *,
    group_pattern: str | None = None,
    separate_channels: bool = False,
) -> tuple[LabelledCase, ...]:
    """The cases in a folder, by name, each with the mask of the same name.

    A case is an image, a NIfTI file, a DICOM file, or a folder with a DICOM series.

    Args:
        images: the folder; a folder of DICOM files is one case.
        masks: of the masks.
        mapping: of their values; by default everything above 0 is lesion.
        group_pattern: a regular expression whose first group, found in a case's name, names the patient; by default
            each case is a separate patient.
        separate_channels: see `SEPARATE_CHANNELS`.

    Raises:
        NoImagesError: there are no images or no masks.
        UsageError: a case has no mask, two have the same name, a name does not match the pattern, or images and masks
            are the same folder.
    """
    if images.resolve() == masks.resolve():
        raise UsageError(
            "images and masks are the same folder", expected="--images DIR and --masks another DIR", got=str(images)
        )
    found, labels = _by_name(_case_paths(images), "images"), _by_name(_case_paths(masks, loose=True), "masks")
    if len(found) == len(labels) == 1 and (images.is_file() or _is_series(images)):
        labels = dict.fromkeys(found, next(iter(labels.values())))  # one study and one mask belong together
    if missing := [name for name in found if name not in labels]:
        raise UsageError("some cases have no mask", expected="a mask of the same name for each", got=listed(missing))
    return tuple(
        LabelledCase(
            name, _group(name, group_pattern), path, labels[name], mapping or LabelMapping(), separate_channels
        )
        for name, path in found.items()
    )


def _case_paths(folder: Path, *, loose: bool = False) -> list[Path]:
    """The entries that are one case each. `loose`: single DICOM files are cases (masks), not slices of one series."""
    if not folder.exists():
        raise NoImagesError(f"{folder} does not exist", expected="a folder of images or studies", got="nothing there")
    if folder.is_file() or (not loose and _is_series(folder)):
        return [folder]
    suffixes = (*IMAGE_SUFFIXES, *STUDY_SUFFIXES)
    found = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and (path.is_dir() or path.name.lower().endswith(suffixes))
    ]
    if not found:
        raise NoImagesError(
            f"{folder} contains no cases", expected="images, NIfTI files, or folders of DICOM", got="none"
        )
    return found


def _is_series(folder: Path) -> bool:
    """Whether a folder directly contains DICOM files."""
    from miniseg_edge.studies.dicom.file import is_dicom

    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    others = (path for path in files if not path.name.lower().endswith((*IMAGE_SUFFIXES, *NIFTI_SUFFIXES)))
    return any(is_dicom(path) for path in others)


def _by_name(paths: Sequence[Path], what: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        name = _name(path)
        if name in found:
            raise UsageError(
                f"two {what} have the same name", expected="one for each case", got=f"{found[name].name}, {path.name}"
            )
        found[name] = path
    return found


def _name(path: Path) -> str:
    lower = path.name.lower()
    suffix = next((s for s in (*IMAGE_SUFFIXES, *STUDY_SUFFIXES) if lower.endswith(s)), "")
    return path.name[: len(path.name) - len(suffix)]


def _group(name: str, pattern: str | None) -> str:
    if pattern is None:
        return name
    try:
        match = re.search(pattern, name)
        return match[1] if match else _unmatched(name, pattern)
    except (re.error, IndexError) as error:
        raise UsageError(
            "the pattern is invalid", expected="a regular expression with a group in (...)", got=pattern
        ) from error


def _unmatched(name: str, pattern: str) -> str:
    raise UsageError(f"{name} does not match the pattern", expected=f"a name that {pattern!r} is found in", got=name)


def _with_neighbours(slices: Sequence[LabelledSlice]) -> tuple[LabelledSlice, ...]:
    channels: Callable[[int], Any] = with_neighbours(lambda index: slices[index].values, len(slices))
    return tuple(replace(slice_, values=channels(index)) for index, slice_ in enumerate(slices))
