"""Where an archive's files lie: a folder, or anything that fsspec has a URL for. Each worker opens it for itself."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from miniseg_edge.dependencies import require
from miniseg_edge.errors import InputError, NoImagesError
from miniseg_edge.studies.nifti import SUFFIXES


@dataclass(frozen=True)
class ArchiveFile:
    """A file: its name below the source, with "/", and its size in bytes."""

    name: str
    bytes: int


class Source(Protocol):
    """What both kinds can do. Thread-safety: all may be called from many threads."""

    def files(self) -> list[ArchiveFile]:
        """All files, in the order of their names; links to folders are not followed. Raises: InputError."""

    def opened(self, name: str) -> BinaryIO:
        """A file, to be read from its start. Raises: OSError, or what the file system's library raises."""

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """The files as local paths while inside; copies, if any, lie in `scratch`. Raises: InputError."""


def source_at(url: str) -> Source:
    """The source at a path or URL; "name://" and chains such as "zip::file.zip" are fsspec's.

    Raises:
        NoImagesError: nothing is there.
        InputError: fsspec cannot open it; MissingDependencyError: the extra `scale` is not installed.
    """
    return UrlSource(url) if is_url(url) else FolderSource(Path(url))


def is_url(source: str) -> bool:
    """Whether it is fsspec's to open."""
    return "://" in source or "::" in source


class FolderSource:
    """A folder of this machine, or one file; files are read in place."""

    def __init__(self, root: Path) -> None:
        if not root.exists():
            raise NoImagesError(f"{root.name} does not exist", "a folder, a file or a URL", "nothing there")
        self._root = root

    def files(self) -> list[ArchiveFile]:
        """As `Source` says."""
        if self._root.is_file():
            return [ArchiveFile(self._root.name, self._root.stat().st_size)]
        found = []
        for folder, _, names in os.walk(self._root, followlinks=False):
            paths = (Path(folder) / name for name in names)
            found += [
                ArchiveFile(path.relative_to(self._root).as_posix(), path.stat().st_size)
                for path in paths
                if path.is_file()
            ]
        return sorted(found, key=lambda file: file.name)

    def opened(self, name: str) -> BinaryIO:
        """As `Source` says."""
        return self._path(name).open("rb")

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """As `Source` says: the files themselves."""
        yield [self._path(name) for name in names]

    def _path(self, name: str) -> Path:
        return self._root if self._root.is_file() else self._root / name


class UrlSource:
    """A file system of fsspec's; a series' files are copied for the time that it takes."""

    def __init__(self, url: str) -> None:
        fsspec: Any = require("fsspec", "scale")
        try:
            self._system, root = fsspec.core.url_to_fs(url)
            self._root = str(root).rstrip("/")
            there = self._system.exists(root)
        except Exception as error:  # each file system has errors of its own, which may quote credentials
            raise InputError("the source cannot be opened", "a URL of fsspec's", type(error).__name__) from None
        if not there:
            raise NoImagesError("the source does not exist", "files at the URL", "nothing there")

    def files(self) -> list[ArchiveFile]:
        """As `Source` says."""
        try:
            found = self._system.find(self._root, detail=True)
        except Exception as error:
            raise InputError("the source cannot be listed", "files at the URL", type(error).__name__) from None
        sizes = {str(path): int(entry.get("size") or 0) for path, entry in found.items()}
        return [ArchiveFile(self._name(path), size) for path, size in sorted(sizes.items())]

    def opened(self, name: str) -> BinaryIO:
        """As `Source` says."""
        opened: BinaryIO = self._system.open(self._path(name), "rb")
        return opened

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """As `Source` says: copies."""
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="series-", dir=scratch) as folder:
            # Names of our own: the archive's may be anything, and decide nothing but what a NIfTI is.
            copies = [Path(folder) / f"{index:06d}{_suffix(name)}" for index, name in enumerate(names)]
            try:
                self._system.get([self._path(name) for name in names], [str(path) for path in copies])
            except Exception as error:
                raise InputError("the series cannot be fetched", "readable files", type(error).__name__) from None
            yield copies

    def _name(self, path: str) -> str:
        if path.rstrip("/") == self._root:
            return PurePosixPath(path).name
        return path.removeprefix(self._root).lstrip("/")

    def _path(self, name: str) -> str:
        if self._system.isfile(self._root):
            return self._root
        return f"{self._root}/{name}" if self._root else name


def _suffix(name: str) -> str:
    return next((suffix for suffix in reversed(SUFFIXES) if name.lower().endswith(suffix)), ".dcm")
