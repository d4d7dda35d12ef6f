"""Reads a NIfTI file, plain or gzipped as detected from its content, up to the length in its header."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import UnsupportedFormatError
from miniseg_edge.host.files import sha256_of
from miniseg_edge.studies.nifti.header import HEADER_BYTES, NiftiHeader, header_from_bytes
from miniseg_edge.studies.source_files import SourceFile

MAX_PADDING_BYTES = 2**16
"""Up to this many bytes after the voxels are ignored with a remark, if they are fewer than a slice's."""

_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 2**24
_GZIP_OVERHEAD, _GZIP_SPARE_BYTES = 8, 2**20
"""A gzip file may be up to an eighth larger than its content: many small members, or noise."""


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """A file that was read.

    Attributes:
        header: what it says.
        voxels: of the header's shape and dtype, as stored; read-only.
        sha256: of the file up to its last voxel, inflated.
        remarks: irregularities of the file.
    """

    header: NiftiHeader
    voxels: npt.NDArray[np.generic]
    sha256: str
    remarks: tuple[str, ...]


def nifti_from_file(source: SourceFile) -> NiftiFile:
    """Reads a file. gzip's checksums and lengths are verified up to the stream's end, for one or many members.

    Raises:
        UnsupportedFormatError: unreadable, not single-file NIfTI, damaged, truncated, or longer than its header says.
            As `header_from_bytes`.
    """
    name = source.name
    with _unpacked(source) as (file, packed):
        data, header, padding = _checked_bytes(file, source.size() if packed else None, name)
    stored = np.frombuffer(data, header.dtype, header.voxel_bytes // header.dtype.itemsize, header.voxels_at)
    voxels = stored.reshape(header.shape, order="F")
    voxels.flags.writeable = False
    remarks = [] if packed == name.lower().endswith(".gz") else [_misnamed(packed)]
    remarks += [f"bytes after the voxels passed over: {padding}"] if padding else []
    return NiftiFile(header, voxels, sha256_of(data), (*remarks, *header.remarks))


def header_of_nifti(source: SourceFile) -> NiftiHeader:
    """Reads the header alone. Raises: as `nifti_from_file`."""
    with _unpacked(source) as (file, _):
        return header_from_bytes(file.read(HEADER_BYTES), source.name)


@contextmanager
def _unpacked(source: SourceFile) -> Iterator[tuple[BinaryIO | gzip.GzipFile, bool]]:
    """The file, and whether it is compressed; errors of reading become ours."""
    name = source.name
    try:
        with source.open() as plain:
            packed = plain.read(len(_GZIP)) == _GZIP
            plain.seek(0)
            with gzip.GzipFile(fileobj=plain) if packed else nullcontext(plain) as file:
                yield file, packed
    except EOFError:
        raise UnsupportedFormatError(
            f"{name} is truncated", expected="a whole gzip stream", got="one that ends too early"
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise UnsupportedFormatError(
            f"{name} is damaged",
            expected="gzip whose checksum and length are right",
            got="other bytes",
            remedy="Copy it again.",
        ) from None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise UnsupportedFormatError(f"{name} cannot be read", expected="a readable file", got=got) from None


def _misnamed(packed: bool) -> str:
    return (
        "compressed with gzip, although its name lacks .gz" if packed else "not compressed, although its name has .gz"
    )


def _checked_bytes(
    file: BinaryIO | gzip.GzipFile, packed_bytes: int | None, name: str
) -> tuple[bytearray, NiftiHeader, int]:
    """The file up to its last voxel, its header, and the number of padding bytes after it."""
    start = file.read(HEADER_BYTES)
    header = header_from_bytes(start, name)
    end = header.voxels_at + header.voxel_bytes
    if packed_bytes is not None and packed_bytes > end + end // _GZIP_OVERHEAD + _GZIP_SPARE_BYTES:
        raise UnsupportedFormatError(
            f"{name} is longer than its header says", expected=f"{end} bytes", got="more, compressed"
        )
    slice_bytes = header.shape[0] * header.shape[1] * header.dtype.itemsize
    spare = min(MAX_PADDING_BYTES, slice_bytes - 1)
    data = bytearray(start)
    while len(data) <= end + spare and (piece := file.read(min(_PIECE_BYTES, end + spare + 1 - len(data)))):
        data += piece
    if len(data) < end:
        raise UnsupportedFormatError(f"{name} has truncated pixel data", expected=f"{end} bytes", got=f"{len(data)}")
    if len(data) > end + spare:
        raise UnsupportedFormatError(
            f"{name} is longer than its header says", expected=f"{end} bytes", got=f"more than {end + spare}",
            remedy="Slices would be lost. Correct the header's dim, or write the file again.",
        )  # fmt: skip
    padding = len(data) - end
    del data[end:]
    return data, header, padding
