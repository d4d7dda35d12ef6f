"""Which series an archive holds: DICOM files by what they say, wherever they lie, and NIfTI files one by one."""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from miniseg_edge.errors import InputError, MissingDependencyError
from miniseg_edge.runtimes.archive.source import ArchiveFile, Source
from miniseg_edge.studies.dicom_file import MAGIC, PREAMBLE, series_uid_in
from miniseg_edge.studies.nifti import SUFFIXES

READERS = 8
"""Threads that read the starts of files: far ones make them wait, near ones do not."""

_AT_ONCE = 4096
_KEY_DIGITS = 32


@dataclass(frozen=True)
class Series:
    """A series that was found.

    Attributes:
        key: 32 hexadecimal digits: SHA-256 of the SeriesInstanceUID, or of the name where there is none; the same
            wherever the archive lies.
        where: the folder that holds all its files, or the file, below the source.
        files: names below the source.
        bytes: of all files.
    """

    key: str
    where: str
    files: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Found:
    """What an archive holds: its series, the largest first, and how many files belong to none."""

    series: tuple[Series, ...]
    other_files: int


def find_series(source: Source, progress: Callable[[int, int], None] = lambda done, of: None) -> Found:
    """Reads the start of every file. What looks like DICOM and cannot be read is a series of its own, to be refused.

    Raises:
        InputError: the source cannot be listed; MissingDependencyError: the extra `dicom` is not installed.
    """
    files = source.files()
    grouped: dict[str, list[ArchiveFile]] = defaultdict(list)
    others = 0
    with ThreadPoolExecutor(READERS, thread_name_prefix="miniseg-find") as readers:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            identities = readers.map(lambda file: _identity(source, file), some)
            for index, (file, identity) in enumerate(zip(some, identities, strict=True)):
                if identity is None:
                    others += 1
                else:
                    grouped[identity].append(file)
                progress(start + index + 1, len(files))
    series = [_series(identity, members) for identity, members in grouped.items()]
    # The largest first, so that at the end no worker has long to do while others have nothing.
    return Found(tuple(sorted(series, key=lambda one: (-one.bytes, one.key))), others)


def _identity(source: Source, file: ArchiveFile) -> str | None:
    """What a file's series is known by, or None if it is no image of a study."""
    if file.name.lower().endswith(SUFFIXES):
        return f"file {file.name}"
    if posixpath.basename(file.name) == "DICOMDIR":
        return None
    try:
        with source.opened(file.name) as opened:
            if opened.read(PREAMBLE + len(MAGIC))[PREAMBLE:] != MAGIC:
                return None
            opened.seek(0)
            uid = series_uid_in(opened, file.name)
    except MissingDependencyError:
        raise
    except (InputError, OSError):
        uid = ""
    return f"series {uid}" if uid else f"file {file.name}"


def _series(identity: str, files: Sequence[ArchiveFile]) -> Series:
    names = tuple(file.name for file in files)
    where = names[0] if len(names) == 1 else posixpath.commonpath([posixpath.dirname(name) for name in names]) or "."
    key = hashlib.sha256(identity.encode()).hexdigest()[:_KEY_DIGITS]
    return Series(key, where, names, sum(file.bytes for file in files))
