"""Finds NIfTI files by name, volumes in unsupported formats, and the single NIfTI file of a study."""

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from miniseg_edge.errors import AmbiguousStudyError, UnsupportedFormatError
from miniseg_edge.studies.dicom.content import LOOKED_AT, form_of
from miniseg_edge.studies.other_files import known_as
from miniseg_edge.studies.source_files import DiskFile, SourceFile, ZipMember, files_at

SUFFIXES = (".nii", ".nii.gz")

_READ = "NIfTI in one file (.nii, .nii.gz) or DICOM"
_PACKED = tuple(f".nii.{packing}" for packing in ("bz2", "xz", "zst", "lz4", "lzma", "z", "zip", "7z"))
_CONVERT = "Convert it to NIfTI (.nii.gz)."
_OTHER_FORMATS = {
    **dict.fromkeys(_PACKED, ("NIfTI that is not compressed with gzip", "Unpack it, or compress it with gzip.")),
    **dict.fromkeys((".mgz", ".mgh"), ("a FreeSurfer volume", _CONVERT)),
    **dict.fromkeys((".nrrd", ".nhdr"), ("NRRD", _CONVERT)),
    **dict.fromkeys((".mha", ".mhd"), ("MetaImage", _CONVERT)),
    **dict.fromkeys((".mnc", ".mnc.gz"), ("MINC", _CONVERT)),
    **dict.fromkeys((".gipl", ".gipl.gz"), ("GIPL", _CONVERT)),
    **dict.fromkeys((".npy", ".npz"), ("a NumPy array", "Hand it to volume_from_array, or save it as NIfTI.")),
}
"""Suffix -> the format's name, and a remedy."""
_PAIR = ("half of a pair (.hdr, .img)", "Save the pair as one file (.nii.gz).")
_OTHER_HALVES = {".hdr": ".img", ".img": ".hdr", ".hdr.gz": ".img.gz", ".img.gz": ".hdr.gz"}
_SHOWN = 12


@dataclass(frozen=True)
class FoundNifti:
    """The NIfTI file of a study, and remarks about other files next to it."""

    file: SourceFile
    remarks: tuple[str, ...] = ()


def is_nifti_name(name: str) -> bool:
    """Whether a file name is NIfTI's, in any case; macOS's companions ("._scan.nii") are not."""
    return name.lower().endswith(SUFFIXES) and not posixpath.basename(name).startswith("._")


def nifti_at(source: Path) -> FoundNifti | None:
    """The NIfTI file that `source` is, or the only one in a folder or a zip; None for DICOM sources.

    Hidden files are ignored. A source that contains DICOM is DICOM.

    Raises:
        AmbiguousStudyError: several NIfTI files.
        UnsupportedFormatError: only a volume in an unsupported format, or an unreadable file. As `files_at`.
    """
    if source.is_file() and is_nifti_name(source.name):
        return FoundNifti(DiskFile(source))
    files = [file for file in files_at(source).files if not _is_hidden(file, source)]
    volumes = [file for file in files if is_nifti_name(file.name)]
    foreign = [] if volumes else [other for file in files if (other := _foreign(file)) is not None]
    if not (volumes or foreign):
        return None
    beside = [(file, _start(file)) for file in files if not is_nifti_name(file.name)]
    if any(form_of(start) is not None for _, start in beside):
        return None
    if foreign:
        name, what, remedy = foreign[0]
        raise UnsupportedFormatError(f"{name} is in an unsupported format", expected=_READ, got=what, remedy=remedy)
    if len(volumes) > 1:
        raise _several(volumes, source)
    kinds = Counter(known_as(file.name, start) or "file of another kind" for file, start in beside)
    return FoundNifti(volumes[0], tuple(f"left out: {count} x {kind}" for kind, count in sorted(kinds.items())))


def _several(volumes: Sequence[SourceFile], source: Path) -> AmbiguousStudyError:
    names = ", ".join(_place(file, source).as_posix() for file in volumes[:_SHOWN])
    more = f" and {len(volumes) - _SHOWN} more" if len(volumes) > _SHOWN else ""
    problem = f"{source.name} holds {len(volumes)} NIfTI files"
    return AmbiguousStudyError(problem, expected="one, or a choice", got=names + more, remedy="Name the file itself.")


def _place(file: SourceFile, source: Path) -> PurePath:
    """A file's path relative to the source."""
    if isinstance(file, ZipMember):
        return PurePosixPath(file.path)
    return file.path.relative_to(source) if isinstance(file, DiskFile) and source.is_dir() else PurePath(file.name)


def _is_hidden(file: SourceFile, source: Path) -> bool:
    return any(part.startswith(".") for part in _place(file, source).parts)


def _start(file: SourceFile) -> bytes:
    try:
        return file.start(LOOKED_AT)
    except OSError as reason:
        raise UnsupportedFormatError(f"{file.name} cannot be read", because=str(reason.strerror)) from None


def _foreign(file: SourceFile) -> tuple[str, str, str] | None:
    """Name of a volume in another format, the format, and a remedy.

    DICOM may be called .img, so both halves must exist.
    """
    lower = file.name.lower()
    for suffix, other in _OTHER_FORMATS.items():
        if lower.endswith(suffix):
            return file.name, *other
    for suffix, half in _OTHER_HALVES.items():
        if lower.endswith(suffix) and isinstance(file, DiskFile):
            stem = file.name[: -len(suffix)]
            if any(file.path.with_name(stem + end).is_file() for end in (half, half.upper())):
                return file.name, *_PAIR
    return None
