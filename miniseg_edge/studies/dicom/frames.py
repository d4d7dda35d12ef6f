"""Frames: the slices that a DICOM header describes, in classic CT and enhanced multi-frame CT."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from miniseg_edge.errors import InputError, NoGeometryError, RescaleError, UnsupportedFormatError
from miniseg_edge.studies.dicom.file import Dataset, Header
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.volume import Plane, Point

KEYWORDS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "PatientID", "Modality",
    "ImageType", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "TemporalPositionIdentifier", "FrameOfReferenceUID", "LossyImageCompression",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "SeriesDescription", "ConvolutionKernel",
    "AcquisitionNumber", "BodyPartExamined",
)  # fmt: skip
"""The elements that are read; the patient's name is not one of them."""

ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

_HU_NAMES = ("hu", "hounsfield", "hounsfieldunit", "hounsfieldunits")
"""RescaleType as scanners and converters spell it, in lower case, only letters."""

_UNSPECIFIED = "us"

Value = TypeVar("Value")
Rescale = tuple[float, float]


@dataclass(frozen=True)
class DicomFrame:
    """One slice in a file, before its pixels are read.

    Attributes:
        file, frame: where it is stored; frames count from 0.
        plane: its position in the patient, as stored.
        size: rows, columns.
        rescale: slope, intercept: HU = stored * slope + intercept.
        padding: range of stored values that mean "nothing was measured here", or None.
        phase: of a time series, or None.
        acquisition: number of the scan, or None.
        kernel: of the reconstruction; "" if unknown.
        image_type: DICOM's ImageType values.
    """

    file: SourceFile
    frame: int
    sop_class_uid: str
    sop_instance_uid: str
    frame_of_reference: str
    plane: Plane
    size: tuple[int, int]
    rescale: Rescale
    padding: tuple[int, int] | None
    phase: int | None
    acquisition: int | None
    kernel: str
    image_type: tuple[str, ...]
    inverted_display: bool
    lossy: bool


def frames_from_header(of_file: Header, rescale: Rescale | None) -> list[DicomFrame]:
    """Every slice that the header describes.

    Args:
        of_file: its header, with `KEYWORDS`.
        rescale: slope and intercept to use if the header has none.

    Raises:
        NoGeometryError: position, orientation or spacing is missing.
        RescaleError: slope and intercept are missing, or do not give HU.
        UnsupportedFormatError: colour, or several frames in an object that is not enhanced CT.
    """
    file, header = of_file.file, of_file.dataset
    if not is_grey(header):
        raise UnsupportedFormatError(
            f"{file.name} is not a grey image", expected="MONOCHROME1 or MONOCHROME2", got="another"
        )
    frames = _number(header.get("NumberOfFrames"), "NumberOfFrames", int) or 1
    if uid_of(header, "SOPClassUID") not in ENHANCED:
        if frames > 1:
            raise UnsupportedFormatError(
                f"{file.name} has {frames} frames", expected="classic or enhanced CT", got="neither"
            )
        return [_frame(file, 0, header, (header,), rescale)]
    groups = header.get("PerFrameFunctionalGroupsSequence") or ()
    shared = (header.get("SharedFunctionalGroupsSequence") or (None,))[0]
    if len(groups) != frames:
        raise NoGeometryError(
            f"{file.name} describes only some of its frames",
            expected=f"{frames} functional groups",
            got=f"{len(groups)}",
        )
    return [_frame(file, i, header, (*_parts(group, shared), header), rescale) for i, group in enumerate(groups)]


def is_grey(header: Dataset) -> bool:
    """Whether the image has one channel that is shown as grey."""
    return header.get("SamplesPerPixel") == 1 and shown_as(header) in ("MONOCHROME1", "MONOCHROME2")


def shown_as(header: Dataset) -> str:
    """PhotometricInterpretation, in capitals and without padding."""
    return str(header.get("PhotometricInterpretation", "")).strip("\0 ").upper()


def moved_frame(frame: DicomFrame, header: Header) -> DicomFrame:
    """The slice of another file with a header of the same kind. Raises: as `frames_from_header`."""
    position = _position(header.file.name, header.dataset.get)
    uid = uid_of(header.dataset, "SOPInstanceUID")
    return replace(frame, file=header.file, sop_instance_uid=uid, plane=replace(frame.plane, position_mm=position))


def _parts(group: Dataset, shared: Dataset | None) -> tuple[Dataset, ...]:
    """Where an enhanced frame's elements may be: in the frame's own macros, then in the shared ones."""
    return tuple(element.value[0] for one in (group, shared) if one is not None for element in one
                 if element.VR == "SQ" and element.value)  # fmt: skip


def _frame(
    file: SourceFile, index: int, header: Dataset, parts: tuple[Dataset, ...], rescale: Rescale | None
) -> DicomFrame:
    def found(keyword: str) -> Any:
        """The value in the first part that has one, or None."""
        return next((value for part in parts if (value := part.get(keyword)) is not None), None)

    return DicomFrame(
        file=file,
        frame=index,
        sop_class_uid=uid_of(header, "SOPClassUID"),
        sop_instance_uid=uid_of(header, "SOPInstanceUID"),
        frame_of_reference=uid_of(header, "FrameOfReferenceUID"),
        plane=_plane(file.name, found),
        size=(int(header.Rows), int(header.Columns)),
        rescale=_rescale(file.name, header, found, rescale),
        padding=_padding(header),
        phase=_number(found("TemporalPositionIndex"), "TemporalPositionIndex", int)
        or _number(header.get("TemporalPositionIdentifier"), "TemporalPositionIdentifier", int),
        acquisition=_whole(found("FrameAcquisitionNumber")) or _whole(header.get("AcquisitionNumber")),
        kernel="\\".join(words(found("ConvolutionKernel"))),
        image_type=words(found("FrameType")) or words(header.get("ImageType")),
        inverted_display=shown_as(header) == "MONOCHROME1",
        lossy=header.get("LossyImageCompression") == "01",
    )


def _plane(name: str, found: Callable[[str], Any]) -> Plane:
    orientation = _whereabouts(name, found, "ImageOrientationPatient", 6)
    spacing = _whereabouts(name, found, "PixelSpacing", 2)
    row: Point = (orientation[0], orientation[1], orientation[2])
    column: Point = (orientation[3], orientation[4], orientation[5])
    thickness = _number_if_any(found("SliceThickness"))
    return Plane(_position(name, found), row, column, (spacing[0], spacing[1]), thickness)


def _position(name: str, found: Callable[[str], Any]) -> Point:
    x, y, z = _whereabouts(name, found, "ImagePositionPatient", 3)
    return x, y, z


def _whereabouts(name: str, found: Callable[[str], Any], keyword: str, count: int) -> tuple[float, ...]:
    value = _numbers(found(keyword), keyword, count)
    if not value:
        raise NoGeometryError(
            f"{name} has no position", expected=keyword, got="none", remedy="Use the original CT series."
        )
    return value


def _rescale(name: str, header: Dataset, found: Callable[[str], Any], given: Rescale | None) -> Rescale:
    unit = "".join(letter for letter in str(found("RescaleType") or "").lower() if letter.isalpha())
    if header.get("ModalityLUTSequence") or unit not in ("", _UNSPECIFIED, *_HU_NAMES):
        raise RescaleError(
            f"{name} does not rescale to HU", expected="RescaleSlope and RescaleIntercept to HU",
            got="a lookup table" if header.get("ModalityLUTSequence") else "another RescaleType",
            remedy="Use the series in HU. Maps of iodine or electron density are not HU.",
        )  # fmt: skip
    if given is not None:
        return given
    said_so = [found(keyword) for keyword in ("RescaleSlope", "RescaleIntercept")]
    slope, intercept = map(_number_if_any, said_so)
    if slope is None or intercept is None or unit == _UNSPECIFIED:
        missing = any(value is None or value == "" for value in said_so)
        got = (
            "none"
            if missing
            else "no numbers"
            if slope is None or intercept is None
            else "RescaleType US, which says that they may be others"
        )
        raise RescaleError(
            f"{name} has no rescale to HU", expected="RescaleSlope and RescaleIntercept", got=got,
            remedy="Pass --rescale SLOPE INTERCEPT, or rescale=(slope, intercept).",
        )  # fmt: skip
    if not (abs(slope) < float("inf") and abs(intercept) < float("inf") and slope):
        raise RescaleError(
            f"{name} has an invalid rescale",
            expected="finite numbers, a slope other than 0",
            got=f"{slope} {intercept}",
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
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{keyword} is not a number", expected="a number", got=type(value).__name__) from None


def words(value: Any) -> tuple[str, ...]:
    """An element of one or several texts, without padding; () where it is missing or empty."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    values = () if value is None else tuple(value) if several else (value,)
    return tuple(word for one in values if (word := str(one).strip("\0 ")))


def said(header: Dataset, keyword: str) -> Any:
    """The header's value, or None if it cannot be read: for elements that nothing depends on."""
    try:
        return header.get(keyword)
    except Exception:  # pydicom raises many exception types for values that break their VR
        return None


def uid_of(header: Dataset, keyword: str) -> str:
    """A UID without padding; "" if missing."""
    return str(header.get(keyword) or "").strip("\0 ")


def _whole(value: Any) -> int | None:
    """An optional integer; None if missing."""
    try:
        return None if value is None or value == "" else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _number_if_any(value: Any) -> float | None:
    """A number that is optional for multi-slice volumes; None if missing."""
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _numbers(value: Any, keyword: str, count: int) -> tuple[float, ...]:
    if value is None:
        return ()
    try:
        found = tuple(float(item) for item in value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{keyword} is invalid", expected=f"{count} numbers", got=type(value).__name__) from None
    return found if len(found) == count else ()
