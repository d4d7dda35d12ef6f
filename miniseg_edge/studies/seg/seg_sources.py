"""The images that a DICOM SEG refers to: everything it needs of them, checked before anything is segmented."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from miniseg_edge.errors import DicomSegError, InputError
from miniseg_edge.studies.dicom.file import Dataset, header_from_file
from miniseg_edge.studies.dicom.frames import KEYWORDS as FRAME_KEYWORDS
from miniseg_edge.studies.dicom.frames import frames_from_header, uid_of
from miniseg_edge.studies.dicom.values import is_uid
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.seg.derived_uids import derived_uid
from miniseg_edge.studies.seg.seg_copy import copied
from miniseg_edge.studies.seg.seg_elements import KEYWORDS
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.stacking import unit_directions
from miniseg_edge.studies.turning import Turn
from miniseg_edge.studies.volume import Geometry, Origin, Plane, SourceImage

_ALL_KEYWORDS = tuple(dict.fromkeys((*FRAME_KEYWORDS, *KEYWORDS)))
_ANY_RESCALE = (1.0, 0.0)
"""A default for headers without rescale: a SEG needs no HU."""

_REMEDY = "The other formats do not need it."


@dataclass(frozen=True, eq=False)
class SegSources:
    """What a DICOM SEG needs from its sources.

    Attributes:
        header: a valid pydicom Dataset of patient, study, series and scanner, in UTF-8.
        images: in the order of the slices.
        size: (H, W) of each, as stored.
        turn: the turn that made the stored slices upright.
        plane: of the first image, as stored.
        slice_spacing_mm: between planes along their normal; None for a single slice.
        remarks: what could not be copied unchanged, by keyword.
    """

    header: Dataset
    images: tuple[SourceImage, ...]
    size: tuple[int, int]
    turn: Turn
    plane: Plane
    slice_spacing_mm: float | None
    remarks: tuple[str, ...]


def sources_of(geometry: Geometry, origin: Origin) -> SegSources:
    """Reads the first image's header again, and checks the images that a SEG refers to.

    Raises:
        DicomSegError: not DICOM, or images that a SEG cannot refer to.
        InputError: the first file differs from the one that was opened.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    images = origin.images
    if not images:
        raise DicomSegError("a DICOM SEG refers to DICOM images", expected="a DICOM study", got=origin.format)
    _check_references(images)
    name = images[0].file.name
    with distrusted(name, no_seg):
        first = header_from_file(images[0].file, _ALL_KEYWORDS)
        header, remarks = copied(first.dataset)  # before any value is accessed
        if uid_of(first.dataset, "SOPInstanceUID") != images[0].sop_instance_uid:
            raise InputError(f"{name} changed while it was read", expected="the file that was opened", got="another")
        frame = frames_from_header(first, _ANY_RESCALE)[images[0].frame]
        plane, about_thickness = _with_thickness(_with_unit_directions(frame.plane), geometry)
        spacing = geometry.slice_spacing_mm if len(images) > 1 else None
        all_remarks = (*remarks, *_identified(header, images), *about_thickness)
        return SegSources(header, images, frame.size, origin.turn, plane, spacing, all_remarks)


def no_seg(kind: str) -> DicomSegError:
    """For a library's exception, of which only the type is named."""
    return DicomSegError(
        "this series cannot be written as DICOM SEG", expected="headers that a SEG can copy", got=kind, remedy=_REMEDY
    )


def _check_references(images: Sequence[SourceImage]) -> None:
    """Whether the images can be distinguished. Raises: DicomSegError."""
    for keyword, uids in (
        ("SOPClassUID", [image.sop_class_uid for image in images]),
        ("SOPInstanceUID", [image.sop_instance_uid for image in images]),
    ):
        if invalid := sum(not is_uid(uid) for uid in uids):
            raise DicomSegError(
                f"a DICOM SEG cannot refer to images without a valid {keyword}", expected=f"{len(uids)} that have one",
                got=f"{invalid} without", remedy=_REMEDY,
            )  # fmt: skip
    files: dict[str, set[SourceFile]] = defaultdict(set)
    for image in images:
        files[image.sop_instance_uid].add(image.file)
    frames = Counter((image.sop_instance_uid, image.frame) for image in images)
    shared = sum(len(files[image.sop_instance_uid]) > 1 or frames[image.sop_instance_uid, image.frame] > 1
                 for image in images)  # fmt: skip
    if shared:
        raise DicomSegError(
            "a DICOM SEG cannot refer to images that share a SOPInstanceUID", expected="one for each image",
            got=f"{shared} of {len(images)} that share one", remedy=_REMEDY,
        )  # fmt: skip


def _identified(header: Dataset, images: Sequence[SourceImage]) -> tuple[str, ...]:
    """Gives the header new UIDs where a SEG permits it; returns remarks. Raises: DicomSegError."""
    if "StudyInstanceUID" not in header:
        raise DicomSegError(
            "a DICOM SEG cannot belong to a study without a valid StudyInstanceUID",
            expected="a unique identifier",
            got="none",
            remedy=_REMEDY,
        )
    missing = [keyword for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID") if keyword not in header]
    for keyword in missing:
        # The same for all segmentations of these images, so that they can be displayed together.
        sources = [keyword, str(header.StudyInstanceUID), *sorted(image.sop_instance_uid for image in images)]
        setattr(header, keyword, derived_uid(*sources))
    return tuple(f"DICOM SEG: the series has no valid {keyword}; the SEG has one of its own" for keyword in missing)


def _with_unit_directions(plane: Plane) -> Plane:
    """The plane with orthonormal directions, as a SEG requires them."""
    row, column = unit_directions(np.array([(plane.row_direction, plane.column_direction)]))[0].tolist()
    return replace(plane, row_direction=tuple(row), column_direction=tuple(column))


def _with_thickness(plane: Plane, geometry: Geometry) -> tuple[Plane, tuple[str, ...]]:
    """The plane with a thickness, which a SEG requires; and remarks."""
    if plane.thickness_mm is not None and math.isfinite(plane.thickness_mm) and plane.thickness_mm > 0:
        return plane, ()
    remark = "DICOM SEG: the series has no valid SliceThickness; the SEG has the distance between its slices"
    return replace(plane, thickness_mm=geometry.slice_spacing_mm), (remark,)
