"""The storage of an archive: a folder, or anything with an fsspec URL. Each worker opens it for itself."""

import errno
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from miniseg_edge.errors import InputError, NoImagesError, PathEscapeError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.content import CONTENT, ETAG, TIMES, KnownBy
from miniseg_edge.studies.nifti.names import SUFFIXES


@dataclass(frozen=True)
class ArchiveFile:
    """A file.

    Attributes:
        name: relative to the source, with "/".
        bytes: its size.
        stamp: further metadata of the storage; equal stamps mean the same content if `known_by` says so.
        known_by: "times" or "etag" if the stamp changes whenever the file is written; otherwise "content".
        is_outside: whether it is a link to outside the archive, which is not followed.
    """

    name: str
    bytes: int
    stamp: str = ""
    known_by: KnownBy = CONTENT
    is_outside: bool = False


SETTLED_S = 2.0
"""Age in seconds after which a file's times are reliable: the coarsest file systems count in such steps."""

_ETAGS = ("ETag", "etag")
_TIMES = ("LastModified", "last_modified", "updated", "mtime")


class Source(Protocol):
    """The interface of both kinds. Thread-safety: all methods may be called from many threads."""

    def files(self) -> list[ArchiveFile]:
        """All files, sorted by name, and folders that cannot be listed. Raises: InputError.

        Links to folders are not followed; those that lead out of the archive are in `links_out`.
        """

    @property
    def links_out(self) -> int:
        """Links to folders outside the archive that `files` encountered."""

    def opened(self, name: str) -> BinaryIO:
        """Opens a file at its start. Raises: OSError, PathEscapeError, or an exception of the storage's library."""

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """The files as local paths while inside; copies, if any, are in `scratch`.

        Raises: InputError; PathEscapeError: one is a link to outside the archive.
        """


def source_at(url: str, *, follow_links: bool = False) -> Source:
    """The source at a path or URL; "name://" and chains such as "zip::file.zip" are opened by fsspec.

    Args:
        url: the path or URL.
        follow_links: read files behind links that lead out of a folder.

    Raises:
        NoImagesError: the source does not exist.
        InputError: fsspec cannot open it. MissingDependencyError: the extra `scale` is not installed.
    """
    if not is_url(url):
        return FolderSource(Path(url), follow_links=follow_links)
    source = UrlSource(url)
    return source if source.folder is None else FolderSource(source.folder, follow_links=follow_links)


def is_url(source: str) -> bool:
    """Whether fsspec opens it."""
    return "://" in source or "::" in source


class FolderSource:
    """A folder of this machine, or one file; files are read in place."""

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        if not root.exists():
            raise NoImagesError(
                f"{root.name} does not exist", expected="a folder, a file or a URL", got="nothing there"
            )
        self._root, self._follow_links = root, follow_links
        self._inside = root.resolve()
        self._links_out = 0

    @property
    def links_out(self) -> int:
        """As `Source` says."""
        return self._links_out

    def files(self) -> list[ArchiveFile]:
        """As `Source` says."""
        if self._root.is_file():
            return [self._file(self._root)]
        self._links_out = 0
        found, closed = [], list[Path]()
        for folder, folders, names in os.walk(
            self._root, followlinks=False, onerror=lambda reason: closed.append(Path(reason.filename))
        ):
            self._links_out += sum(self._leads_out(Path(folder) / name) for name in folders)
            paths = (Path(folder) / name for name in names)
            found += [self._file(path) for path in paths if _may_be_file(path)]
        if self._root in closed:
            raise InputError("the source cannot be listed", expected="a folder that can be read", got="no permission")
        found += [self._file(path) for path in closed]  # which no reader can read, as their rows will say
        return sorted(found, key=lambda file: file.name)

    def _file(self, path: Path) -> ArchiveFile:
        name = path.name if path == self._root else path.relative_to(self._root).as_posix()
        if self._is_refused(path):
            return ArchiveFile(name, 0, is_outside=True)
        try:
            status = path.stat()
        except OSError:  # a broken link, or a folder without access: the readers will report it
            return ArchiveFile(name, 0)
        if not stat.S_ISREG(status.st_mode):
            return ArchiveFile(name, 0)
        stamp = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        settled = max(status.st_mtime, status.st_ctime) < time.time() - SETTLED_S
        # On Windows, a program can set every time stamp.
        return ArchiveFile(name, status.st_size, stamp, TIMES if settled and sys.platform != "win32" else CONTENT)

    def _is_refused(self, path: Path) -> bool:
        return not self._follow_links and path != self._root and self._leads_out(path)

    def _leads_out(self, path: Path) -> bool:
        try:
            return path.is_symlink() and not path.resolve().is_relative_to(self._inside)
        except (OSError, RuntimeError):  # links in a circle
            return False

    def opened(self, name: str) -> BinaryIO:
        """As `Source` says."""
        path = self._path(name)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return path.open("rb")

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """See `Source`: the files themselves."""
        yield [self._path(name) for name in names]

    def _path(self, name: str) -> Path:
        if self._root.is_file():
            return self._root
        path = self._root / name
        if self._is_refused(path):
            raise PathEscapeError(
                f"{name} is a link to outside the archive",
                expected="a file in the archive",
                got="a link that is not followed",
                remedy="Copy the file into the archive, or add --follow-links.",
            )
        return path


class UrlSource:
    """An fsspec file system; a series' files are copied while they are needed."""

    def __init__(self, url: str) -> None:
        fsspec: Any = require("fsspec", "scale")
        try:
            self._system, root = fsspec.core.url_to_fs(url)
            self._root = str(root).rstrip("/")
            there = self._system.exists(root)
        except Exception as error:  # each file system has its own exceptions, which may quote credentials
            raise InputError(
                "the source cannot be opened", expected="a URL of fsspec's", because=type(error).__name__
            ) from None
        if not there:
            raise NoImagesError("the source does not exist", expected="files at the URL", got="nothing there")

    @property
    def folder(self) -> Path | None:
        """The local folder, if the URL names one."""
        return Path(self._root) if "file" in self._system.protocol else None

    @property
    def links_out(self) -> int:
        """See `Source`: storages behind URLs have no links, or follow them themselves."""
        return 0

    def files(self) -> list[ArchiveFile]:
        """As `Source` says."""
        try:
            found = self._system.find(self._root, detail=True)
        except Exception as error:
            raise InputError("the source cannot be listed", because=type(error).__name__) from None
        return [_far_file(self._name(str(path)), entry) for path, entry in sorted(found.items())]

    def opened(self, name: str) -> BinaryIO:
        """As `Source` says."""
        opened: BinaryIO = self._system.open(self._path(name), "rb")
        return opened

    @contextmanager
    def fetched(self, names: Sequence[str], scratch: Path) -> Iterator[list[Path]]:
        """See `Source`: copies."""
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="series-", dir=scratch) as folder:
            # Our own names: the archive's may be anything, and only matter for recognising NIfTI.
            copies = [Path(folder) / f"{index:06d}{_suffix(name)}" for index, name in enumerate(names)]
            try:
                self._system.get([self._path(name) for name in names], [str(path) for path in copies])
            except Exception as error:
                raise InputError("the series cannot be fetched", because=type(error).__name__) from None
            yield copies

    def _name(self, path: str) -> str:
        if path.rstrip("/") == self._root:
            return PurePosixPath(path).name
        return path.removeprefix(self._root).lstrip("/")

    def _path(self, name: str) -> str:
        if self._system.isfile(self._root):
            return self._root
        return f"{self._root}/{name}" if self._root else name


def _may_be_file(path: Path) -> bool:
    """Whether it is a file, a link, or something that cannot be inspected, but not a pipe or device."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _far_file(name: str, entry: Mapping[str, Any]) -> ArchiveFile:
    etag, changed = (next((str(entry[key]) for key in keys if entry.get(key)), "") for keys in (_ETAGS, _TIMES))
    is_strong = bool(etag) and not etag.startswith("W/")
    return ArchiveFile(name, int(entry.get("size") or 0), f"{etag} {changed}", ETAG if is_strong else CONTENT)


def _suffix(name: str) -> str:
    return next((suffix for suffix in reversed(SUFFIXES) if name.lower().endswith(suffix)), ".dcm")
