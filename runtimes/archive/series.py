"""Finds the series in an archive: DICOM files by their headers, wherever they are, and NIfTI files one by one.

A file that may be a slice but cannot be read is added to every series in its folder, so that no series loses it
silently: the row names the file.
"""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from miniseg_edge.errors import InputError, MissingDependencyError, PathEscapeError
from miniseg_edge.host.silence import DICOM_LIBRARIES, silence
from miniseg_edge.runtimes.archive.content import CONTENT, KnownBy
from miniseg_edge.runtimes.archive.source import ArchiveFile, Source
from miniseg_edge.studies.dicom.content import LOOKED_AT, form_of
from miniseg_edge.studies.dicom.dicomdir import is_dicomdir
from miniseg_edge.studies.dicom.file import series_uid_in
from miniseg_edge.studies.nifti.names import is_nifti_name
from miniseg_edge.studies.other_files import known_as, name_pattern

READERS = 8
"""Threads that read the starts of files: remote files have latency."""

_AT_ONCE = 4096
_UNREADABLE = "unreadable"
_KEY_DIGITS = 32


@dataclass(frozen=True)
class Series:
    """A series that was found.

    Attributes:
        key: 32 hexadecimal digits: SHA-256 of the SeriesInstanceUID, or of the name if there is none; independent of
            the archive's location.
        where: the folder that contains all its files, or the file, relative to the source.
        files: names relative to the source.
        bytes: of all files.
        stamp: SHA-256 of the names of all files and of their storage's metadata.
        known_by: "times" or "etag" if an equal stamp means the same content; otherwise "content".
    """

    key: str
    where: str
    files: tuple[str, ...]
    bytes: int
    stamp: str
    known_by: KnownBy


@dataclass(frozen=True)
class Found:
    """What an archive holds.

    Attributes:
        series: the largest first.
        other_files: number of files that belong to no series.
        links_out: links out of the archive, to files and folders, which are not followed.
    """

    series: tuple[Series, ...]
    other_files: int
    links_out: int


def find_series(source: Source, progress: Callable[[int, int], None] = lambda done, of: None) -> Found:
    """Reads the start of every file.

    An unreadable file that may be a slice becomes a series of its own, to be refused, if its folder contains no series.

    Raises:
        InputError: the source cannot be listed. MissingDependencyError: the extra `dicom` is not installed.
    """
    files = source.files()
    grouped: dict[str, list[ArchiveFile]] = defaultdict(list)
    unreadable: list[ArchiveFile] = []
    others: list[ArchiveFile] = []
    with ThreadPoolExecutor(READERS, thread_name_prefix="miniseg-find") as readers:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            identities = readers.map(lambda file: _identity(source, file), some)
            for index, (file, identity) in enumerate(zip(some, identities, strict=True)):
                if identity is None:
                    others.append(file)
                elif identity == _UNREADABLE:
                    unreadable.append(file)
                else:
                    grouped[identity].append(file)
                progress(start + index + 1, len(files))
    slices = {_named_like(file) for identity, members in grouped.items() if identity.startswith("series ")
              for file in members if name_pattern(file.name)}  # fmt: skip
    unreadable += (file for file in others if _named_like(file) in slices)
    others = [file for file in others if _named_like(file) not in slices]
    _hand_over(unreadable, grouped)
    series = [_series(identity, members) for identity, members in grouped.items()]
    # The largest first, so that no worker is still busy at the end while others are idle.
    ordered = tuple(sorted(series, key=lambda one: (-one.bytes, one.key)))
    links_out = sum(file.is_outside for file in files) + source.links_out
    return Found(ordered, len(others), links_out)


def _identity(source: Source, file: ArchiveFile) -> str | None:
    """The identifier of a file's series, `_UNREADABLE` if unknown, or None if it certainly belongs to no study."""
    if is_nifti_name(file.name):
        return f"file {file.name}"
    if is_dicomdir(posixpath.basename(file.name)):
        return None
    if file.is_outside:  # so only its name can tell
        return _UNREADABLE if known_as(file.name, b"") is None else None
    try:
        with silence(*DICOM_LIBRARIES), source.opened(file.name) as opened:
            start = opened.read(LOOKED_AT)
            if (form := form_of(start)) is None:
                return _UNREADABLE if known_as(file.name, start) is None else None
            opened.seek(0)
            uid = series_uid_in(opened, file.name, form)
    except MissingDependencyError:
        raise
    except (InputError, PathEscapeError, OSError):
        return _UNREADABLE
    return f"series {uid}" if uid else _UNREADABLE


def _named_like(file: ArchiveFile) -> tuple[str, str]:
    """The common pattern of a series' slices in one folder."""
    return posixpath.dirname(file.name), name_pattern(file.name)


def _hand_over(unreadable: Sequence[ArchiveFile], grouped: dict[str, list[ArchiveFile]]) -> None:
    """Adds each unreadable file to every series with a file in its folder, or makes it a series of its own."""
    by_folder: dict[str, set[str]] = defaultdict(set)
    if unreadable:
        for identity, members in grouped.items():
            if identity.startswith("series "):
                for member in members:
                    by_folder[posixpath.dirname(member.name)].add(identity)
    for file in unreadable:
        for identity in sorted(by_folder[posixpath.dirname(file.name)]) or [f"file {file.name}"]:
            grouped[identity].append(file)


def _series(identity: str, files: Sequence[ArchiveFile]) -> Series:
    names = tuple(file.name for file in files)
    where = names[0] if len(names) == 1 else posixpath.commonpath([posixpath.dirname(name) for name in names]) or "."
    known_by = files[0].known_by if len({file.known_by for file in files}) == 1 else CONTENT
    said = "".join(f"{file.name}\0{file.bytes}\0{file.stamp}\0" for file in files)
    key = _sha256(identity)[:_KEY_DIGITS]
    return Series(key, where, names, sum(file.bytes for file in files), _sha256(said), known_by)


def _sha256(text: str) -> str:
    """Names need not be UTF-8: Python represents such bytes as lone surrogates."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
