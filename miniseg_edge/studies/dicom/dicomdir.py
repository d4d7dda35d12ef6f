"""A DICOMDIR lists the contents of a medium, which reveals slices that were lost in copying."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import PurePath

from miniseg_edge.errors import InputError, MissingDependencyError
from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.source_files import SourceFile

NAME = "DICOMDIR"
MAX_BYTES = 64 * 2**20

_RECORDS = b"\x04\x00\x20\x12SQ\0\0"
"""Tag and value representation of DirectoryRecordSequence; a DICOMDIR is explicit VR little endian (PS3.10, 8.6)."""

_UNDEFINED, _SEQUENCE_END = b"\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0"

Listed = Mapping[str, Mapping[str, str]]
"""SeriesInstanceUID -> SOPInstanceUID -> the file's path as written in the DICOMDIR."""


def is_dicomdir(name: str) -> bool:
    """Whether a file with this name is a DICOMDIR, also with an ISO 9660 version ("DICOMDIR.;1")."""
    return name.upper().partition(";")[0].rstrip(".") == NAME


def listed_in(file: SourceFile) -> Listed:
    """The images that a DICOMDIR lists; none if it cannot be read, because it only adds information.

    Records are read in file order: each series' images after it. A DICOMDIR in another order lists nothing.

    Raises:
        MissingDependencyError: the extra `dicom` is not installed.
    """
    pydicom = require("pydicom", "dicom")
    found: dict[str, dict[str, str]] = {}
    series: dict[str, str] | None = None
    try:
        if file.size() > MAX_BYTES:
            return {}
        for record in pydicom.dcmread(BytesIO(file.read())).DirectoryRecordSequence:
            if record.DirectoryRecordType == "SERIES":
                series = found.setdefault(str(record.SeriesInstanceUID), {})
            elif record.DirectoryRecordType == "IMAGE":
                if series is None:
                    return {}
                parts = record.ReferencedFileID
                path = parts if isinstance(parts, str) else "/".join(parts)
                series[str(record.ReferencedSOPInstanceUIDInFile)] = path
            elif record.DirectoryRecordType in ("PATIENT", "STUDY"):
                series = None
    except MissingDependencyError:
        raise
    except Exception:  # pydicom raises many exception types for hostile files
        return {}
    return found


def doubt_about(file: SourceFile) -> str | None:
    """A remark about a truncated, too large or invalid DICOMDIR, which cannot reveal missing files; or None."""
    data = file.read() if file.size() <= MAX_BYTES else b""
    before, _, after = data.partition(_RECORDS)
    length, records = after[:4], after[4:]
    whole = (
        records[-8:-4] == _SEQUENCE_END if length == _UNDEFINED else len(records) >= int.from_bytes(length, "little")
    )
    if before and len(length) == 4 and whole:
        return None
    return "the DICOMDIR cannot be read to its end: it does not tell whether images are missing"


def missing_images(listed: Listed, series: str, present: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Paths of a series' listed images that are missing, judged by identifier and by path.

    Args:
        listed: by the DICOMDIR.
        series: its SeriesInstanceUID.
        present: SOPInstanceUIDs of the existing images.
        paths: of the existing files, as returned by `paths_beside`: identifiers in a DICOMDIR may be truncated or
            outdated.
    """
    there, files = set(present), set(paths)
    return [path for uid, path in listed.get(series, {}).items() if uid not in there and path.upper() not in files]


def paths_beside(dicomdir: SourceFile, files: Sequence[SourceFile]) -> Iterable[str]:
    """Paths of files as a DICOMDIR writes them: relative to its folder, in capitals."""
    folder = PurePath(dicomdir.path).parent
    below = (PurePath(file.path) for file in files)
    return (path.relative_to(folder).as_posix().upper() for path in below if path.is_relative_to(folder))


def missing_error(paths: list[str]) -> InputError:
    """The error for missing images."""
    shown = ", ".join(path.rpartition("/")[2] for path in paths[:8])
    return InputError(
        "images of the series that the DICOMDIR lists are missing",
        expected="every file of the series",
        got=f"{len(paths)} missing: {shown}",
        remedy="Copy the medium again, or remove the DICOMDIR to continue without them.",
    )
