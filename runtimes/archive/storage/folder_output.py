"""Results in a folder of this machine, or of a network file system."""

import os
import shutil
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from miniseg_edge.errors import IntegrityError, OutputError
from miniseg_edge.host.files import bytes_from_file, lock_file, replace_file

T = TypeVar("T")
R = TypeVar("R")

LOCK, SCRATCH = ".lock", ".scratch"


@dataclass(frozen=True)
class FolderOutput:
    """As `Output` says."""

    folder: Path

    def label(self, name: str = "") -> str:
        """As `Output` says."""
        return str(self.folder / name)

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """As `Output` says."""
        path = self.folder / name
        if limit is not None:
            return bytes_from_file(path, limit, IntegrityError) if path.is_file() else None
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def piece(self, name: str, start: int, end: int) -> bytes:
        """As `Output` says."""
        with (self.folder / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def write(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """As `Output` says."""
        path = self.folder / name
        if durable:
            replace_file(path, data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(data)
        partial.replace(path)

    def names(self, folder: str, start: str = "") -> list[str]:
        """As `Output` says."""
        path = self.folder / folder
        if path.is_dir():
            return sorted(name for name in os.listdir(path) if name.startswith(start))  # noqa: PTH208  names, not paths
        if path.exists():
            raise OutputError(f"{path} is not a folder", expected="a folder, or nothing yet", got="a file")
        return []

    def has(self, name: str) -> bool:
        """As `Output` says."""
        return (self.folder / name).is_file()

    def holders(self, folder: str, start: str, file: str) -> Container[str]:
        """As `Output` says: each is looked at when it is asked for."""
        return _Holders(self.folder / folder, start, file)

    def remove(self, name: str) -> None:
        """As `Output` says."""
        (self.folder / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """As `Output` says."""
        shutil.rmtree(self.folder / folder, ignore_errors=True)

    def mapped(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As `Output` says."""
        return map(call, items)

    @contextmanager
    def results(self, folder: str, scratch: Path) -> Iterator[Path]:
        """As `Output` says: the folder itself, into which each file is written as a whole."""
        yield self.folder / folder

    @contextmanager
    def local(self, name: str, scratch: Path) -> Iterator[Path]:
        """As `Output` says: the file itself."""
        yield self.folder / name

    def scratch(self) -> Path:
        """As `Output` says: within the output, whose disk has the space."""
        return self.folder / SCRATCH

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As `Output` says; the system releases the lock if the process dies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with locked(self.folder, str(self.folder)):
            yield


@dataclass(frozen=True)
class _Holders:
    folder: Path
    start: str
    file: str

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(self.start) and (self.folder / name / self.file).is_file()


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Locks a folder for what lies there. Raises: OutputError: it is in use, or cannot be written."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        if not lock_file(handle):
            raise OutputError(f"{what} is in use", expected="one run at a time", got="a run in progress")
        yield
    finally:
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder} cannot be written", expected="a writable folder", because=error.strerror or "")
