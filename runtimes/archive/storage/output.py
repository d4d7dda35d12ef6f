"""What an archive's run needs of the place for its results, and which of the two kinds a text names."""

import os
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.storage.folder_output import FolderOutput
from miniseg_edge.runtimes.archive.storage.url_output import UrlOutput
from miniseg_edge.runtimes.archive.storage.urls import file_system_at, is_local

T = TypeVar("T")
R = TypeVar("R")


class Output(Protocol):
    """Files by their names below the output, with "/". It can be sent to other processes.

    Thread-safety: all methods may be called from many threads, processes and machines.
    All methods raise OutputError if the place cannot be used; a folder's also OSError.
    """

    @property
    def folder(self) -> Path | None:
        """The local folder, if it is one."""

    def label(self, name: str = "") -> str:
        """The place of a file, to be shown: without credentials."""

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """A file; None if it is not there. Raises: IntegrityError if it is larger than the limit."""

    def piece(self, name: str, start: int, end: int) -> bytes:
        """Bytes from `start` up to `end`, which must be there."""

    def write(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Replaces a file as a whole. If it can be made again, it need not be `durable`: survive a power cut."""

    def names(self, folder: str, start: str = "") -> list[str]:
        """Names in a folder that begin with `start`, in order; none if it is not there."""

    def has(self, name: str) -> bool:
        """Whether a file is there."""

    def holders(self, folder: str, start: str, file: str) -> Container[str]:
        """Names of the folders in a folder that begin with `start` and have a file of that name."""

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""

    def clear(self, folder: str) -> None:
        """Removes all below a folder."""

    def mapped(self, call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Calls for each item, in order; several at a time where that is waiting."""

    def results(self, folder: str, scratch: Path) -> AbstractContextManager[Path]:
        """A local folder to write into; once left without an error, its files are in `folder`."""

    def local(self, name: str, scratch: Path) -> AbstractContextManager[Path]:
        """A file as a local path."""

    def scratch(self) -> Path:
        """A local folder for copies. Raises: OutputError."""

    def locked(self) -> AbstractContextManager[None]:
        """Inside, no other run on this machine works on the output; on a folder, none anywhere.

        Raises: OutputError: another one does, or it cannot be written.
        """


def is_output_url(place: str) -> bool:
    """Whether results go to an fsspec file system. A folder may have "::" in its name."""
    return "://" in place


def output_at(place: str | os.PathLike[str]) -> Output:
    """The output at a path or URL. Raises: UsageError: a chain of URLs."""
    text = os.fspath(place)
    if not is_output_url(text):
        return FolderOutput(Path(text).absolute())
    if "::" in text:
        raise UsageError("the output is a chain of URLs", expected="a folder or one URL", got="several")
    if text.startswith(("file:", "local:")):
        system, root = file_system_at(text)
        return FolderOutput(Path(root)) if is_local(system) else UrlOutput(text)
    return UrlOutput(text)
