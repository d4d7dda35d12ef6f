"""What is known of each file and each series, as columns. Names are bytes: an archive's need not be UTF-8."""

import hashlib
import math
import zlib
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.source import ArchiveFile

CELLS = 256
"""Parts of the index, and the most tasks that a step has."""

OTHER, UNREADABLE, SLICE, ALONE = range(4)
"""What a file is: of no series, what may be a slice but cannot be read, a DICOM file of a series, or one by itself."""

KEY_DIGITS = 32

_FILE = {
    **{"name": "binary", "bytes": "int64", "stamp": "string", "known_by": "string", "is_outside": "bool_"},
    **{"state": "int8", "key": "string", "study": "string", "modality": "string"},
    **{"frames": "int32", "rows": "int32", "columns": "int32"},
}
_SERIES = {
    **{"key": "string", "source": "string", "where": "binary", "bytes": "int64", "stamp": "string"},
    **{"known_by": "string", "files": "int64", "study": "string", "modality": "string"},
    **{"slices": "int64", "rows": "int32", "columns": "int32"},
}
ASKED_FOR = tuple(name for name in _SERIES if name not in ("where", "stamp", "known_by"))
"""Columns of a series that `--where` may ask for."""


def file_schema() -> Any:
    """Columns of a file; those from `state` on are what its header says, null before it is read."""
    return _schema(_FILE)


def series_schema() -> Any:
    """Columns of a series."""
    pyarrow: Any = require("pyarrow", "scale")
    lists = [("names", pyarrow.list_(pyarrow.binary())), ("etags", pyarrow.list_(pyarrow.string()))]
    return pyarrow.schema([*_schema(_SERIES), *(pyarrow.field(name, kind) for name, kind in lists)])


def key_of(identity: str) -> str:
    """32 hexadecimal digits of the SHA-256. Names need not be UTF-8: Python has lone surrogates for such bytes."""
    return hashlib.sha256(bytes_of(identity)).hexdigest()[:KEY_DIGITS]


def cell_of_key(key: str) -> int:
    """The cell that a series belongs to."""
    return int(key[:2], 16)


def cell_of_name(name: bytes) -> int:
    """The cell that a file, or a folder, belongs to."""
    return zlib.crc32(name) % CELLS


def bytes_of(name: str) -> bytes:
    """A name as it is kept."""
    return name.encode("utf-8", "surrogatepass")


def name_of(kept: bytes) -> str:
    """A name as it was."""
    return kept.decode("utf-8", "surrogatepass")


def file_of(row: dict[str, Any]) -> ArchiveFile:
    """The file of a row."""
    return ArchiveFile(name_of(row["name"]), row["bytes"], row["stamp"], row["known_by"], row["is_outside"])


def row_of(file: ArchiveFile) -> dict[str, Any]:
    """The row of a file whose header was not read."""
    return {**vars(file), "name": bytes_of(file.name)}


def series_of(row: dict[str, Any]) -> Series:
    """The series of a row."""
    files = tuple(name_of(name) for name in row["names"])
    sides = [row[name] for name in ("slices", "rows", "columns")]
    voxels = None if None in sides else math.prod(sides)
    known = row["bytes"], row["stamp"], row["known_by"]
    return Series(row["key"], name_of(row["where"]), files, *known, tuple(row["etags"] or ()), voxels)


def _schema(columns: dict[str, str]) -> Any:
    pyarrow: Any = require("pyarrow", "scale")
    return pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in columns.items()])
