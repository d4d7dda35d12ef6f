"""Sorts the files of a study: CT images, files that are excluded for a reason, and files that cannot be read.

A series must not lose slices silently. So every excluded file is counted with its reason, and a file that may belong to
the series but cannot be read is an error.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from miniseg_edge.errors import (
    InputError,
    MissingDependencyError,
    NoImagesError,
    SeveralPatientsError,
    UnsupportedFormatError,
    WrongModalityError,
)
from miniseg_edge.studies.dicom.content import LOOKED_AT, form_of
from miniseg_edge.studies.dicom.dicomdir import is_dicomdir
from miniseg_edge.studies.dicom.file import Header, header_from_file
from miniseg_edge.studies.dicom.frames import ENHANCED, KEYWORDS, is_grey, said, uid_of, words
from miniseg_edge.studies.dicom.kinds import once_per_kind
from miniseg_edge.studies.other_files import known_as, name_pattern
from miniseg_edge.studies.source_files import SourceFile

CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", *ENHANCED)

_PATIENT_ID = 0x00100020
_LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"}
_CAPTURE = "secondary capture"
_CLASSES = (
    ("1.2.840.10008.5.1.4.1.1.7", _CAPTURE),
    ("1.2.840.10008.5.1.4.1.1.88.59", "key object selection"),
    ("1.2.840.10008.5.1.4.1.1.88", "report"),
    ("1.2.840.10008.5.1.4.1.1.104", "document"),
    ("1.2.840.10008.5.1.4.1.1.11", "presentation state"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66", "raw data"),
    ("1.2.840.10008.5.1.4.1.1.481", "radiotherapy object"),
    ("1.2.840.10008.1.3.10", "directory"),
)
"""Prefixes of SOP classes, longer ones first, and a name for each."""

_MODALITIES = (
    "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "SR", "SEG", "SC", "OT", "PR", "KO", "DOC", "REG", "XC",
    "RTSTRUCT", "RTDOSE", "RTPLAN", "RTIMAGE", "IO", "PX", "ES", "OP", "SM", "FID", "PLAN",
)  # fmt: skip
"""Modalities that may be named in messages: a header's other words are untrusted."""

_SIZES = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored")
"""Integers above 0 without which no pixel can be read."""

_NAMED = 8

Headers = list[Header]


@dataclass(frozen=True, eq=False)
class SortedHeaders:
    """The content of a study's files.

    Attributes:
        images: grey CT images, by SeriesInstanceUID.
        present: SOPInstanceUIDs of all objects.
        remarks: what was excluded and why, and what was read although it violates the standard.
    """

    images: dict[str, Headers]
    present: frozenset[str]
    remarks: tuple[str, ...]


def sorted_headers(files: Sequence[SourceFile], name: str) -> SortedHeaders:
    """Reads the headers of files and sorts them.

    Args:
        files: of the study.
        name: of the study, for messages.

    Raises:
        UnsupportedFormatError: not DICOM, a colour series, or a file that may belong to the series and cannot be read.
        WrongModalityError: not CT. NoImagesError: only localizers. SeveralPatientsError.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    headers, others, unreadable = _read(files)
    if not headers and not unreadable:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(_NAMED))
        remedy = "Unpack the archive first." if others["archive"] else ""
        got = kinds or "a DICOMDIR without the images that it lists"
        raise UnsupportedFormatError(f"{name} is not a study", expected="DICOM or NIfTI", got=got, remedy=remedy)
    kind_of = once_per_kind(_kind)
    fault_of = once_per_kind(_fault)
    unreadable += [f"{header.file.name}: {fault}" for header in headers if (fault := fault_of(header)) is not None]
    if unreadable:
        raise _unreadable(unreadable)
    _check_one_patient(headers)
    left_out = Counter[str]()
    images: dict[str, Headers] = {}
    for header in headers:
        if (kind := kind_of(header)) is None:
            images.setdefault(uid_of(header.dataset, "SeriesInstanceUID"), []).append(header)
        else:
            left_out[kind] += 1
    if not images:
        raise _nothing_to_segment(name, headers, left_out)
    remarks = [f"left out: {count} x {kind}" for kind, count in sorted((left_out + others).items())]
    if unusual := sum(not (header.form.is_standard and header.has_meta) for header in headers):
        remarks.append(f"files without DICOM's preamble or meta information, or gzipped, read anyway: {unusual}")
    present = frozenset(uid_of(header.dataset, "SOPInstanceUID") for header in headers)
    return SortedHeaders(images, present, tuple(remarks))


def _read(files: Sequence[SourceFile]) -> tuple[Headers, Counter[str], list[str]]:
    """Headers, the number of other files of each kind, and a description of each file that cannot be read."""
    headers: Headers = []
    others: list[tuple[SourceFile, str]] = []
    unreadable: list[str] = []
    for file in files:
        if is_dicomdir(file.name):
            continue
        try:
            if (kind := other_kind(file)) is None:
                headers.append(header_from_file(file, KEYWORDS))
            else:
                others.append((file, kind))
        except MissingDependencyError:
            raise
        except InputError as error:
            unreadable.append(error.summary)
        except OSError as error:
            unreadable.append(f"{file.name}: {error.strerror or type(error).__name__}")
    slices = {name_pattern(header.file.name) for header in headers} - {""}
    left_out = Counter[str]()
    for file, kind in others:
        if name_pattern(file.name) in slices:
            unreadable.append(f"{file.name}: named like the slices, but no DICOM")
        else:
            left_out[kind] += 1
    return headers, left_out, unreadable


def other_kind(file: SourceFile) -> str | None:
    """The kind of a file that is not DICOM; None for DICOM, and for what may be a damaged slice.

    Raises:
        OSError, InputError: it cannot be read.
    """
    start = file.start(LOOKED_AT)
    return None if form_of(start) is not None else known_as(file.name, start)


def _sop_class(header: Header) -> str:
    said = header.dataset.get("SOPClassUID") or header.dataset.file_meta.get("MediaStorageSOPClassUID")
    return str(said or "").strip("\0 ")


def _modality(header: Header) -> str:
    """The modality in the header, or that of its class; "" if neither is known."""
    found = str(header.dataset.get("Modality") or "").strip("\0 ").upper()
    return found or ("CT" if _sop_class(header) in CT_CLASSES else "")


def _named_class(header: Header) -> str | None:
    """The kind of objects of the header's class, if they are not CT images."""
    sop_class = _sop_class(header)
    named = next((word for start, word in _CLASSES if sop_class == start or sop_class.startswith(f"{start}.")), None)
    # Some workstations write reconstructions as secondary captures.
    return None if named == _CAPTURE and header.dataset.get("ImagePositionPatient") else named


def _fault(header: Header) -> str | None:
    """Why a header is not that of an image, although it may belong to one; None otherwise."""
    if _named_class(header) is not None:
        return None
    if not header.has_pixels and (_sop_class(header) in ("", *CT_CLASSES) or not _modality(header)):
        return "a header that ends before the pixels"
    if not (modality := _modality(header)):
        return "no Modality"
    return _without_element(header) if header.has_pixels and modality == "CT" and not _is_localizer(header) else None


def _without_element(header: Header) -> str | None:
    """The missing or invalid element among those that say how pixels are stored."""
    sizes = {keyword: said(header.dataset, keyword) for keyword in _SIZES}
    missing = [keyword for keyword, size in sizes.items() if not (isinstance(size, int) and size > 0)]
    if said(header.dataset, "PixelRepresentation") not in (0, 1):
        missing.append("PixelRepresentation")
    if not words(said(header.dataset, "PhotometricInterpretation")):
        missing.append("PhotometricInterpretation")
    return f"no valid {', '.join(missing)}" if missing else None


def _is_localizer(header: Header) -> bool:
    return not _LOCALIZER_WORDS.isdisjoint(word.upper() for word in words(said(header.dataset, "ImageType")))


def _unreadable(faults: Sequence[str]) -> UnsupportedFormatError:
    listed = "; ".join(faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return UnsupportedFormatError(
        "a file that may belong to the series cannot be read" if len(faults) == 1
        else f"{len(faults)} files that may belong to the series cannot be read",
        expected="whole DICOM files", got=listed + more,
        remedy="Fetch the series again. If they do not belong to it, move them elsewhere.",
    )  # fmt: skip


def _check_one_patient(headers: Headers) -> None:
    """Compares raw bytes, so that no identifier is converted, warned about or shown. Raises: SeveralPatientsError."""
    patients = {bytes(e.value or b"").strip(b"\0 ") if isinstance(e.value, bytes | None) else str(e.value).encode()
                for header in headers if (e := header.dataset.get_item(_PATIENT_ID)) is not None}  # fmt: skip
    patients.discard(b"")  # as good as missing
    if len(patients) > 1:
        raise SeveralPatientsError(
            "the study mixes patients", expected="one patient", got=f"{len(patients)}", remedy="Split the folder."
        )


def _kind(header: Header) -> str | None:
    """Why a DICOM object is not an image to segment; None for a grey CT image."""
    modality = _modality(header)
    if (named := _named_class(header)) is not None:
        return named
    if modality != "CT":
        return f"image of modality {modality if modality in _MODALITIES else 'other than CT'}"
    if not header.dataset.get("Rows"):
        return "object without pixels"
    if _is_localizer(header):
        return "localizer"
    return None if is_grey(header.dataset) else "colour picture"


def _nothing_to_segment(name: str, headers: Headers, left_out: Counter[str]) -> InputError:
    got = ", ".join(f"{count} x {kind}" for kind, count in left_out.most_common(_NAMED))
    if left_out["localizer"]:
        return NoImagesError(f"{name} contains localizers but no CT slices", expected="CT slices", got=got)
    if left_out["colour picture"]:
        return UnsupportedFormatError(f"{name} contains no grey images", expected="MONOCHROME1 or MONOCHROME2", got=got)
    return WrongModalityError("the study is not CT", expected="Modality CT", got=got)
