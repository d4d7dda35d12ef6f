"""Frames: what a DICOM header says about each slice in it, from classic CT and from enhanced multi-frame CT."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from miniseg_edge.errors import InputError, NoGeometryError, RescaleError, UnsupportedFormatError
from miniseg_edge.studies.dicom_file import Dataset, Header
from miniseg_edge.studies.stacking import Plane
from miniseg_edge.studies.volume import Point

KEYWORDS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "PatientID", "Modality",
    "ImageType", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "TemporalPositionIdentifier", "FrameOfReferenceUID", "LossyImageCompression",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""What is read of a header; the patient's name is not among it."""

ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

Value = TypeVar("Value")
Rescale = tuple[float, float]


@dataclass(frozen=True)
class DicomFrame:
    """One slice in a file, before its pixels are read.

    Attributes:
        path, frame: where it lies; frames count from 0.
        plane: where it lies in the patient.
        size: rows, columns.
        rescale: slope, intercept: HU = stored * slope + intercept.
        padding: stored values from..to that mean "nothing was measured here", or None.
        phase: of a series in time, or None.
    """

    path: Path
    frame: int
    sop_class_uid: str
    sop_instance_uid: str
    frame_of_reference: str
    plane: Plane
    size: tuple[int, int]
    rescale: Rescale
    padding: tuple[int, int] | None
    phase: int | None
    inverted_display: bool
    lossy: bool


def frames_from_header(of_file: Header, rescale: Rescale | None) -> list[DicomFrame]:
    """Every slice that the header describes.

    Args:
        of_file: its header, with `KEYWORDS`.
        rescale: slope and intercept to take where the header has none.

    Raises:
        NoGeometryError: no position, orientation or spacing.
        RescaleError: no slope and intercept, or not to HU.
        UnsupportedFormatError: colour, or several frames in an object that is not enhanced CT.
    """
    path, header = of_file.path, of_file.dataset
    colour = str(header.get("PhotometricInterpretation", ""))
    if header.get("SamplesPerPixel") != 1 or colour not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnsupportedFormatError(f"{path.name} is no grey image", "MONOCHROME1 or MONOCHROME2", colour or "nothing")
    frames = _number(header.get("NumberOfFrames"), "NumberOfFrames", int) or 1
    if str(header.SOPClassUID) not in ENHANCED:
        if frames > 1:
            raise UnsupportedFormatError(f"{path.name} has {frames} frames", "classic or enhanced CT", "neither")
        return [_frame(path, 0, header, (header,), rescale)]
    groups = header.get("PerFrameFunctionalGroupsSequence") or ()
    shared = (header.get("SharedFunctionalGroupsSequence") or (None,))[0]
    if len(groups) != frames:
        raise NoGeometryError(
            f"{path.name} does not describe its frames", f"{frames} functional groups", f"{len(groups)}"
        )
    return [_frame(path, i, header, (*_parts(group, shared), header), rescale) for i, group in enumerate(groups)]


def moved_frame(frame: DicomFrame, header: Header) -> DicomFrame:
    """The slice of another file, whose header is of the same kind. Raises: as `frames_from_header`."""
    position = _position(header.path.name, header.dataset.get)
    uid = str(header.dataset.SOPInstanceUID)
    return replace(frame, path=header.path, sop_instance_uid=uid, plane=replace(frame.plane, position_mm=position))


def _parts(group: Dataset, shared: Dataset | None) -> tuple[Dataset, ...]:
    """Where an enhanced frame's elements may lie: in the frame's own macros before the shared ones."""
    return tuple(element.value[0] for one in (group, shared) if one is not None for element in one
                 if element.VR == "SQ" and element.value)  # fmt: skip


def _frame(path: Path, index: int, header: Dataset, parts: tuple[Dataset, ...], rescale: Rescale | None) -> DicomFrame:
    def found(keyword: str) -> Any:
        """The value in the first part that has one, or None."""
        return next((value for part in parts if (value := part.get(keyword)) is not None), None)

    return DicomFrame(
        path=path,
        frame=index,
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        frame_of_reference=str(header.get("FrameOfReferenceUID", "")),
        plane=_plane(path.name, found),
        size=(int(header.Rows), int(header.Columns)),
        rescale=_rescale(path.name, header, found, rescale),
        padding=_padding(header),
        phase=_number(found("TemporalPositionIndex"), "TemporalPositionIndex", int)
        or _number(header.get("TemporalPositionIdentifier"), "TemporalPositionIdentifier", int),
        inverted_display=header.PhotometricInterpretation == "MONOCHROME1",
        lossy=header.get("LossyImageCompression") == "01",
    )


def _plane(name: str, found: Callable[[str], Any]) -> Plane:
    orientation = _whereabouts(name, found, "ImageOrientationPatient", 6)
    spacing = _whereabouts(name, found, "PixelSpacing", 2)
    row: Point = (orientation[0], orientation[1], orientation[2])
    column: Point = (orientation[3], orientation[4], orientation[5])
    thickness = _number(found("SliceThickness"), "SliceThickness", float)
    return Plane(_position(name, found), row, column, (spacing[0], spacing[1]), thickness)


def _position(name: str, found: Callable[[str], Any]) -> Point:
    x, y, z = _whereabouts(name, found, "ImagePositionPatient", 3)
    return x, y, z


def _whereabouts(name: str, found: Callable[[str], Any], keyword: str, count: int) -> tuple[float, ...]:
    value = _numbers(found(keyword), keyword, count)
    if not value:
        raise NoGeometryError(f"{name} does not say where it lies", keyword, "none", "Use the original CT series.")
    return value


def _rescale(name: str, header: Dataset, found: Callable[[str], Any], given: Rescale | None) -> Rescale:
    slope = _number(found("RescaleSlope"), "RescaleSlope", float)
    intercept = _number(found("RescaleIntercept"), "RescaleIntercept", float)
    kind = str(found("RescaleType") or "HU")
    if header.get("ModalityLUTSequence") or kind != "HU":
        raise RescaleError(f"{name} does not rescale to HU", "RescaleSlope and RescaleIntercept to HU", kind[:16])
    if slope is None or intercept is None:
        if given is None:
            raise RescaleError(
                f"{name} does not say how to get HU", "RescaleSlope and RescaleIntercept", "none",
                "Give them: --rescale SLOPE INTERCEPT, or rescale=(slope, intercept).",
            )  # fmt: skip
        return given
    if not (abs(slope) < float("inf") and abs(intercept) < float("inf") and slope):
        raise RescaleError(
            f"{name} rescales to nothing", "finite numbers, a slope other than 0", f"{slope} {intercept}"
        )
    return slope, intercept


def _padding(header: Dataset) -> tuple[int, int] | None:
    value = _number(header.get("PixelPaddingValue"), "PixelPaddingValue", int)
    if value is None:
        return None
    limit = _number(header.get("PixelPaddingRangeLimit"), "PixelPaddingRangeLimit", int)
    ends = sorted((value, value if limit is None else limit))
    return ends[0], ends[1]


def _number(value: Any, keyword: str, kind: Callable[[Any], Value]) -> Value | None:
    if value is None or value == "":
        return None
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{keyword} makes no sense", "a number", type(value).__name__) from error


def _numbers(value: Any, keyword: str, count: int) -> tuple[float, ...]:
    if value is None:
        return ()
    try:
        found = tuple(float(item) for item in value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{keyword} makes no sense", f"{count} numbers", type(value).__name__) from error
    return found if len(found) == count else ()
