"""The storage of an archive: a folder, or anything with an fsspec URL. Each worker opens it for itself."""

import errno
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from miniseg_edge.errors import InputError, MiniSegError, NoImagesError, PathEscapeError
from miniseg_edge.runtimes.archive.content import CONTENT, ETAG, TIMES, KnownBy
from miniseg_edge.runtimes.archive.storage.retrying import RetriedFile, TornReadError, retried
from miniseg_edge.runtimes.archive.storage.urls import file_system_at, is_local, is_url
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

    @property
    def etag(self) -> str:
        """Of a storage whose etags tell contents apart; otherwise empty."""
        return self.stamp.partition(" ")[0] if self.known_by == ETAG else ""


SETTLED_S = 2.0
"""Age in seconds after which a file's times are reliable: the coarsest file systems count in such steps."""

HEAD_BYTES = 2**14
"""Of a far file that are fetched at once where its start is read; most headers end before."""

FETCHERS = 16
"""Threads that copy the files of a far series."""

_ETAGS = ("ETag", "etag")
_TIMES = ("LastModified", "last_modified", "updated", "mtime")


@dataclass(frozen=True)
class Listing:
    """What one folder holds, in no order.

    Attributes:
        files: in it; and the folder itself, if it cannot be listed: no reader can read it, and its row says so.
        folders: in it, by their names below the source. Links to folders are not followed.
        links_out: links to folders outside the archive.
    """

    files: tuple[ArchiveFile, ...]
    folders: tuple[str, ...] = ()
    links_out: int = 0


class Source(Protocol):
    """The interface of both kinds. Thread-safety: all methods may be called from many threads."""

    @property
    def is_far(self) -> bool:
        """Whether reading is waiting, so that many threads read more than one."""

    def listed(self, folder: str) -> Listing:
        """A folder by its name below the source, which itself is "". Raises: InputError."""

    def opened(self, name: str) -> BinaryIO:
        """Opens a file at its start.

        Raises: OSError, PathEscapeError, InputError; StorageError, also while it is read.
        """

    def head(self, name: str) -> BinaryIO:
        """The same, of which only the start will be read: no more than that crosses the network."""

    @contextmanager
    def fetched(
        self, names: Sequence[str], scratch: Path, etags: Sequence[str] = (), size: int = 0
    ) -> Iterator[list[Path]]:
        """The files as local paths while inside; copies, if any, are in `scratch`.

        Args:
            names: of the files.
            scratch: folder for copies.
            etags: of the files when they were found; none if they are not known.
            size: bytes of all files when they were found; 0 if that is not known.

        Raises: InputError: one cannot be read, or has changed; StorageError: the storage does not answer;
            PathEscapeError: one is a link to outside the archive.
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


class FolderSource:
    """A folder of this machine, or one file; files are read in place."""

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        if not root.exists():
            raise NoImagesError(
                f"{root.name} does not exist", expected="a folder, a file or a URL", got="nothing there"
            )
        self._root, self._follow_links = root, follow_links
        self._inside = root.resolve()

    @property
    def is_far(self) -> bool:
        """As `Source` says."""
        return False

    def listed(self, folder: str) -> Listing:
        """As `Source` says."""
        path = self._root / folder if folder else self._root
        if self._root.is_file():
            return Listing((self._file(path),))
        files, folders, links_out = list[ArchiveFile](), list[str](), 0
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if not _is_folder(entry):
                        if (file := self._entry(entry, name)) is not None:
                            files.append(file)
                    elif not entry.is_symlink():
                        folders.append(name)
                    elif self._leads_out(Path(entry.path)):
                        links_out += 1
        except OSError:
            if not folder:
                raise InputError(
                    "the source cannot be listed", expected="a folder that can be read", got="no permission"
                ) from None
            return Listing((self._file(path),))
        return Listing(tuple(files), tuple(folders), links_out)

    def _entry(self, entry: "os.DirEntry[str]", name: str) -> ArchiveFile | None:
        """A file, a link, or something that cannot be looked at; None for a pipe or a device."""
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return self._file(Path(entry.path))
        if stat.S_ISLNK(status.st_mode):
            return self._file(Path(entry.path))
        return _near_file(name, status) if stat.S_ISREG(status.st_mode) else None

    def _file(self, path: Path) -> ArchiveFile:
        name = path.name if path == self._root else path.relative_to(self._root).as_posix()
        if self._is_refused(path):
            return ArchiveFile(name, 0, is_outside=True)
        try:
            status = path.stat()
        except OSError:  # a broken link, or a folder without access: the readers will report it
            return ArchiveFile(name, 0)
        return _near_file(name, status)

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

    def head(self, name: str) -> BinaryIO:
        """As `Source` says."""
        return self.opened(name)

    @contextmanager
    def fetched(
        self, names: Sequence[str], scratch: Path, etags: Sequence[str] = (), size: int = 0
    ) -> Iterator[list[Path]]:
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
        try:
            self._system, self._root = file_system_at(url)
            self._itself = self._file_at_root()
        except FileNotFoundError:
            raise NoImagesError("the source does not exist", expected="files at the URL", got="nothing there") from None
        except MiniSegError:
            raise
        except Exception as error:  # each file system has its own exceptions, which may quote credentials
            raise InputError(
                "the source cannot be opened", expected="a URL of fsspec's", because=type(error).__name__
            ) from None

    def _file_at_root(self) -> Mapping[str, Any] | None:
        """What is known of the file, if the URL names one; web servers list nothing below a file."""
        entry: Mapping[str, Any] = retried(lambda: self._system.info(self._root))
        is_folder = entry["type"] != "file" or retried(lambda: self._system.isdir(self._root))
        return None if is_folder else entry

    @property
    def folder(self) -> Path | None:
        """The local folder, if the URL names one."""
        return Path(self._root) if is_local(self._system) else None

    @property
    def is_far(self) -> bool:
        """As `Source` says."""
        return True

    def listed(self, folder: str) -> Listing:
        """As `Source` says: storages behind URLs have no links, or follow them on their own side."""
        if self._itself is not None:
            return Listing((_far_file(self._name(self._root), self._itself),))
        path = self._path(folder) if folder else self._root
        try:
            entries = retried(lambda: self._system.ls(path, detail=True))
            self._system.invalidate_cache(path)  # or the process would keep every listing
        except MiniSegError:
            raise
        except Exception as error:
            raise InputError(
                "the source cannot be listed", expected="files at the URL", because=type(error).__name__
            ) from None
        files, folders = list[ArchiveFile](), list[str]()
        for entry in entries:
            name = self._name(str(entry["name"]))
            if folder and not name.startswith(f"{folder}/"):  # the folder itself, or what a page links to elsewhere
                continue
            if entry["type"] == "directory":
                if name.rstrip("/") not in ("", folder):
                    folders.append(name.rstrip("/"))
            elif not name.endswith("/"):
                files.append(_far_file(name, entry))
        return Listing(tuple(files), tuple(folders))

    def opened(self, name: str) -> BinaryIO:
        """As `Source` says."""
        return self._opened(name)

    def head(self, name: str) -> BinaryIO:
        """As `Source` says."""
        return self._opened(name, block_size=HEAD_BYTES)

    def _opened(self, name: str, **options: int) -> BinaryIO:
        try:
            return cast("BinaryIO", RetriedFile(lambda: self._system.open(self._path(name), "rb", **options)))
        except (MiniSegError, OSError):
            raise
        except Exception as error:
            raise InputError("a file cannot be read", because=type(error).__name__) from None

    @contextmanager
    def fetched(
        self, names: Sequence[str], scratch: Path, etags: Sequence[str] = (), size: int = 0
    ) -> Iterator[list[Path]]:
        """See `Source`: copies."""
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="series-", dir=scratch) as folder:
            # Our own names: the archive's may be anything, and only matter for recognising NIfTI.
            copies = [Path(folder) / f"{index:06d}{_suffix(name)}" for index, name in enumerate(names)]
            try:
                with ThreadPoolExecutor(FETCHERS, thread_name_prefix="miniseg-fetch") as fetchers:
                    for _ in fetchers.map(self._fetch, names, copies, etags or repeat("")):
                        continue
                came = sum(path.stat().st_size for path in copies)
            except MiniSegError:
                raise
            except Exception as error:
                raise InputError("the series cannot be fetched", because=type(error).__name__) from None
            if size and came != size:
                raise InputError("the series changed after it was found", expected=f"{size} bytes", got=f"{came} bytes")
            yield copies

    def _fetch(self, name: str, copy: Path, etag: str) -> None:
        """Copies a file. Raises: InputError if its etag is another one by now; as `retried`."""
        path = self._path(name)

        def fetch() -> Mapping[str, Any]:
            self._system.get_file(path, str(copy))
            entry: Mapping[str, Any] = self._system.info(path)  # after the copy, so that it is what was copied
            size = entry.get("size")
            if size is not None and copy.stat().st_size < int(size):
                raise TornReadError("fewer bytes than the file has")
            return entry

        found = _far_file(name, retried(fetch))
        if etag and found.etag and found.etag.strip('"') != etag.strip('"'):
            raise InputError(
                "a file changed after it was found",
                expected=f"etag {etag}",
                got=f"etag {found.etag}",
                remedy="Run again: the series is done as it is by then.",
            )

    def _name(self, path: str) -> str:
        if path.rstrip("/") == self._root:
            return PurePosixPath(path.partition("?")[0]).name  # a query may be a signature
        return path.removeprefix(self._root).lstrip("/")

    def _path(self, name: str) -> str:
        if self._itself is not None:
            return self._root
        return f"{self._root}/{name}" if self._root else name


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Also behind a link."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _near_file(name: str, status: os.stat_result) -> ArchiveFile:
    if not stat.S_ISREG(status.st_mode):
        return ArchiveFile(name, 0)
    stamp = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    settled = max(status.st_mtime, status.st_ctime) < time.time() - SETTLED_S
    # Windows has no time of the last change that a program cannot set.
    return ArchiveFile(name, status.st_size, stamp, TIMES if settled and sys.platform != "win32" else CONTENT)


def _far_file(name: str, entry: Mapping[str, Any]) -> ArchiveFile:
    etag, changed = (next((str(entry[key]) for key in keys if entry.get(key)), "") for keys in (_ETAGS, _TIMES))
    is_strong = bool(etag) and not etag.startswith("W/")
    return ArchiveFile(name, int(entry.get("size") or 0), f"{etag} {changed}", ETAG if is_strong else CONTENT)


def _suffix(name: str) -> str:
    return next((suffix for suffix in reversed(SUFFIXES) if name.lower().endswith(suffix)), ".dcm")
