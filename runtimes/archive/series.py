"""A series of an archive: the unit of work."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from miniseg_edge.runtimes.archive.content import KnownBy
from miniseg_edge.runtimes.archive.source import ArchiveFile


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
        etags: of the files, in their order, if it is known by them.
        voxels: slices by rows by columns, as the headers say; None if they do not, as those of NIfTI.
    """

    key: str
    where: str
    files: tuple[str, ...]
    bytes: int
    stamp: str
    known_by: KnownBy
    etags: tuple[str, ...] = ()
    voxels: int | None = None


def stamp_of(files: Sequence[ArchiveFile]) -> str:
    """The stamp of a series of these files, in the order of their names."""
    said = "".join(f"{file.name}\0{file.bytes}\0{file.stamp}\0" for file in files)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
