"""The files of a study, in a folder or in a zip, behind one small interface."""

import io
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from miniseg_edge.errors import InputError, NoImagesError, UnsupportedFormatError
from miniseg_edge.host.files import bytes_from_file

MAX_FILES = 100_000
MAX_FILE_BYTES = 2**32

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip, and of an empty one."""

_ENCRYPTED = 1


class SourceFile(Protocol):
    """A file of a study; equal to another with the same path."""

    def __hash__(self) -> int: ...

    @property
    def path(self) -> Path | str:
        """Where it lies."""

    @property
    def name(self) -> str:
        """For messages: the last part of its path."""

    def size(self) -> int:
        """In bytes. Raises: OSError."""

    def start(self, count: int) -> bytes:
        """The first bytes. Raises: OSError, InputError."""

    def open(self) -> BinaryIO:
        """The content as a stream, from its start. Raises: OSError, InputError."""

    def read(self) -> bytes:
        """The whole content. Raises: UnsupportedFormatError: missing, unreadable, or over `MAX_FILE_BYTES`."""


@dataclass(frozen=True)
class DiskFile:
    """A file on a disk."""

    path: Path

    @property
    def name(self) -> str:
        """As `SourceFile` says."""
        return self.path.name

    def size(self) -> int:
        """As `SourceFile` says."""
        return self.path.stat().st_size

    def start(self, count: int) -> bytes:
        """As `SourceFile` says."""
        with self.open() as opened:
            return opened.read(count)

    def open(self) -> BinaryIO:
        """See `SourceFile`; a pipe or a device is not a file."""
        if not self.path.is_file():
            got = "a link to nothing" if self.path.is_symlink() else "something else in its place"
            raise UnsupportedFormatError(f"{self.name} is not a file", expected="a readable file", got=got)
        return self.path.open("rb")

    def read(self) -> bytes:
        """As `SourceFile` says."""
        return bytes_from_file(self.path, MAX_FILE_BYTES, UnsupportedFormatError)


@dataclass(frozen=True)
class ZipMember:
    """A file in a zip that stays open as long as its members are referenced.

    Thread-safety: members of one zip may be read from many threads at once.
    """

    path: str
    _zip: zipfile.ZipFile = field(repr=False)

    @property
    def name(self) -> str:
        """As `SourceFile` says."""
        return PurePosixPath(self.path).name

    def size(self) -> int:
        """See `SourceFile`: the unpacked size."""
        return self._zip.getinfo(self.path).file_size

    def start(self, count: int) -> bytes:
        """As `SourceFile` says."""
        return self._unpacked(count)

    def open(self) -> BinaryIO:
        """See `SourceFile`: unpacked in memory."""
        return io.BytesIO(self.read())

    def read(self) -> bytes:
        """See `SourceFile`; the zip's checksum is verified."""
        return self._unpacked(-1)

    def _unpacked(self, count: int) -> bytes:
        member = self._zip.getinfo(self.path)
        if member.file_size > MAX_FILE_BYTES:
            raise UnsupportedFormatError(
                f"{self.name} is too large", expected=f"at most {MAX_FILE_BYTES} bytes", got=f"{member.file_size}"
            )
        if member.flag_bits & _ENCRYPTED:
            raise UnsupportedFormatError(
                f"{self.name} is encrypted",
                expected="a zip without a password",
                got="one with a password",
                remedy="Unzip it first.",
            )
        try:
            with self._zip.open(member) as opened:
                return opened.read(count)
        except Exception as error:  # zipfile and its decompressors raise many exception types
            raise UnsupportedFormatError(f"{self.name} cannot be unpacked", because=type(error).__name__) from None


@dataclass(frozen=True)
class FoundFiles:
    """Files below a folder in the order of their paths, and the number of links to folders that were not followed."""

    files: tuple[SourceFile, ...]
    links: int = 0


def files_at(source: Path) -> FoundFiles:
    """The files of `source`: the file itself, all files below a folder, or all in a zip.

    Raises:
        InputError: a folder cannot be listed, or there are more than `MAX_FILES`.
        NoImagesError: the folder or zip is empty.
        UnsupportedFormatError: the zip cannot be read.
    """
    if source.is_dir():
        found = _files_below(source)
    elif is_zip(source):
        found = FoundFiles(_members(source))
    else:
        return FoundFiles((DiskFile(source),))
    if not found.files:
        raise NoImagesError(f"{source.name} is empty", expected="DICOM files, or a NIfTI file", got="no file in it")
    return found


def is_zip(path: Path) -> bool:
    """Whether a file starts like a zip. Raises: UnsupportedFormatError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP_SIGNATURES[0])) in ZIP_SIGNATURES
    except OSError as reason:
        raise UnsupportedFormatError(f"{path.name} cannot be read", because=str(reason.strerror)) from None


def _files_below(source: Path) -> FoundFiles:
    found: list[SourceFile] = []
    links = 0

    def refuse(reason: OSError) -> None:
        raise InputError(
            f"the folder {Path(str(reason.filename)).name} cannot be listed",
            expected="a folder that can be read",
            because=str(reason.strerror),
            remedy="Its files may belong to the series. Get permission, or name a subfolder.",
        ) from None

    for folder, folders, names in os.walk(source, followlinks=False, onerror=refuse):
        folders.sort()
        links += sum((Path(folder) / name).is_symlink() for name in folders)
        found += [DiskFile(Path(folder) / name) for name in sorted(names)]
        _check_count(len(found))
    return FoundFiles(tuple(found), links)


def _members(source: Path) -> tuple[SourceFile, ...]:
    try:
        opened = zipfile.ZipFile(source)
    except Exception as error:  # zipfile raises many exception types for hostile files
        raise UnsupportedFormatError(f"{source.name} is not a readable zip", because=type(error).__name__) from None
    members = sorted(member.filename for member in opened.infolist() if not member.is_dir())
    _check_count(len(members))
    if len(set(members)) < len(members):
        raise UnsupportedFormatError(
            f"{source.name} contains two files of the same name", expected="one file per name", got="two"
        )
    return tuple(ZipMember(name, opened) for name in members)


def _check_count(count: int) -> None:
    if count > MAX_FILES:
        raise InputError(
            "the study has too many files", expected=f"at most {MAX_FILES}", got="more", remedy="Name a subfolder."
        )
