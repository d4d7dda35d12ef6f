"""Results in an object store, by an fsspec file system. A PUT replaces an object as a whole; so no rename is needed."""

import hashlib
import posixpath
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from miniseg_edge.errors import IntegrityError, MissingDependencyError, OutputError, StorageError
from miniseg_edge.host.files import private_folder
from miniseg_edge.runtimes.archive.storage.folder_output import SCRATCH, locked
from miniseg_edge.runtimes.archive.storage.retrying import TornReadError, retried
from miniseg_edge.runtimes.archive.storage.urls import file_system_at, shown_url

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""Requests at a time where there are several: each waits for the network."""


class UrlOutput:
    """As `Output` says."""

    folder: Path | None = None

    def __init__(self, url: str) -> None:
        self._url = url

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it opens the file system for itself."""
        return UrlOutput, (self._url,)

    def label(self, name: str = "") -> str:
        """As `Output` says."""
        shown = shown_url(self._url)
        root = shown if shown.endswith("://") else shown.rstrip("/")
        return f"{root}/{name}" if name else root

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """As `Output` says."""
        try:
            # From its start: for a whole object, the driver of S3 asks for the size first.
            data: bytes = self._asked(lambda system, root: system.cat_file(f"{root}/{name}", start=0))
        except FileNotFoundError:
            return None
        if limit is not None and len(data) > limit:
            raise IntegrityError(
                f"{self.label(name)} is too large", expected=f"at most {limit} bytes", got=f"{len(data)} bytes"
            )
        return data

    def piece(self, name: str, start: int, end: int) -> bytes:
        """As `Output` says."""

        def read(system: Any, root: str) -> bytes:
            data: bytes = system.cat_file(f"{root}/{name}", start=start, end=end)
            if len(data) != end - start:
                raise TornReadError("fewer bytes than were asked for")
            return data

        return self._must(read)

    def write(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """As `Output` says: what a store confirms is durable."""
        self._must(lambda system, root: system.pipe_file(f"{root}/{name}", data))

    def names(self, folder: str, start: str = "") -> list[str]:
        """As `Output` says."""
        if not folder:
            return self._top(start)
        paths = self._below(folder, start)  # before the root is needed: it opens the file system
        below = f"{self._opened[1]}/{folder}/"
        names = {path.removeprefix(below).partition("/")[0] for path in paths}
        return sorted(name for name in names if name.startswith(start))

    def _top(self, start: str) -> list[str]:
        """Of the output itself, which may be anything: its objects are not listed to the ground."""

        def listed(system: Any, root: str) -> list[str]:
            try:
                system.info(root)  # of what is not there, the driver of S3 would list the folder above
                paths = [str(path).rstrip("/") for path in system.ls(root, detail=False)]
            finally:
                system.invalidate_cache()  # so that the next listing is what the store has by then
            return sorted(posixpath.basename(path) for path in paths if path.strip("/") != root.strip("/"))

        try:
            return [name for name in self._asked(listed) if name.startswith(start)]
        except FileNotFoundError:
            return []

    def has(self, name: str) -> bool:
        """As `Output` says."""
        try:
            return bool(self._asked(lambda system, root: system.info(f"{root}/{name}")["type"] == "file"))
        except FileNotFoundError:
            return False

    def holders(self, folder: str, start: str, file: str) -> Container[str]:
        """As `Output` says: from one listing, since a request for each would take as long as segmenting it."""
        paths = (path.rpartition("/") for path in self._below(folder, start))
        found = (posixpath.basename(holder) for holder, _, name in paths if name == file)
        return {name for name in found if name.startswith(start)}

    def remove(self, name: str) -> None:
        """As `Output` says."""
        with suppress(FileNotFoundError):
            self._asked(lambda system, root: system.rm_file(f"{root}/{name}"))

    def clear(self, folder: str) -> None:
        """As `Output` says."""
        paths = self._below(folder)
        if paths:
            with suppress(FileNotFoundError):
                self._asked(lambda system, root: system.rm(paths))

    def mapped(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As `Output` says."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="miniseg-output") as threads:
            yield from threads.map(call, items)

    @contextmanager
    def results(self, folder: str, scratch: Path) -> Iterator[Path]:
        """As `Output` says: they are sent when all of them are there."""
        with _temporary(scratch) as local:
            yield local
            files = sorted(path for path in local.rglob("*") if path.is_file())
            for _ in self.mapped(lambda path: self._put(path, f"{folder}/{path.relative_to(local).as_posix()}"), files):
                continue

    @contextmanager
    def local(self, name: str, scratch: Path) -> Iterator[Path]:
        """As `Output` says: a copy."""
        with _temporary(scratch) as folder:
            path = folder / "copy"
            self._must(lambda system, root: system.get_file(f"{root}/{name}", str(path)))
            yield path

    def scratch(self) -> Path:
        """As `Output` says: one of this user's among the system's temporary files, the same for each run."""
        return self._own_folder() / SCRATCH

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As `Output` says: a store has no locks, so the lock is among this machine's temporary files."""
        with locked(self._own_folder(), self.label()):
            yield

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return file_system_at(self._url)

    def _asked(self, call: Callable[[Any, str], T]) -> T:
        """What the file system answers. Raises: OutputError, which quotes nothing; FileNotFoundError."""
        try:
            return retried(lambda: call(*self._opened))
        except (FileNotFoundError, MissingDependencyError):
            raise
        except StorageError as error:
            raise OutputError(f"{self.label()} does not answer", **error.details) from None
        except Exception as error:  # each file system has its own exceptions, which may quote credentials
            raise self._unusable(error) from None

    def _must(self, call: Callable[[Any, str], T]) -> T:
        """The same, of what is there."""
        try:
            return self._asked(call)
        except FileNotFoundError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> OutputError:
        return OutputError(
            f"{self.label()} cannot be used",
            expected="an object store that this machine may read and write",
            because=type(error).__name__,
        )

    def _put(self, path: Path, name: str) -> None:
        self._must(lambda system, root: system.put_file(str(path), f"{root}/{name}"))

    def _below(self, folder: str, start: str = "") -> list[str]:
        """Paths of all objects below a folder whose rest begins with `start`; not every driver can choose by it.

        Not by the driver's `ls`: that of S3 lists the folder above, which has all series, if there is nothing.
        """

        def found(system: Any, root: str) -> list[str]:
            path = f"{root}/{folder}"
            try:
                return [str(one) for one in system.find(path, **({"prefix": start} if start else {}))]
            finally:
                system.invalidate_cache()

        try:
            return self._asked(found)
        except FileNotFoundError:
            return []

    def _own_folder(self) -> Path:
        name = hashlib.sha256(shown_url(self._url).encode()).hexdigest()[:12]
        return private_folder(f"miniseg-archive-{name}")


@contextmanager
def _temporary(scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="results-", dir=scratch) as folder:
        yield Path(folder)
