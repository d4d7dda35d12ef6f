"""The index beside the results: Parquet files of what is known of each file and each series of the archive.

It saves reading: what it lacks, or what is damaged in it, is read from the archive again.
"""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import make_folder
from miniseg_edge.runtimes.archive.finding.records import CELLS

INDEX, FILES, SERIES = "index", "files", "series"


def part(output: Path, kind: str, cell: int) -> Path:
    """The part of `FILES` or `SERIES` for a cell."""
    return output / INDEX / kind / f"{cell:02x}.parquet"


def write_part(output: Path, kind: str, cell: int, rows: list[dict[str, Any]], schema: Any) -> None:
    """Replaces a part as a whole. It is not forced to the disk: after a power cut it may have to be made again."""
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")
    path = part(output, kind, cell)
    make_folder(path.parent)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(_parquet(parquet, pyarrow.Table.from_pylist(rows, schema)))
    partial.replace(path)


def _parquet(parquet: Any, table: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_part(output: Path, kind: str, cell: int, schema: Any) -> Any:
    """A part; an empty table if it is not there, damaged, or of another version."""
    parquet: Any = require("pyarrow.parquet", "scale")
    pyarrow: Any = require("pyarrow", "scale")
    path = part(output, kind, cell)
    try:
        found = parquet.ParquetFile(io.BytesIO(path.read_bytes())).read()
    except (OSError, pyarrow.ArrowException):
        return schema.empty_table()
    return found if found.schema.equals(schema) else schema.empty_table()


def keep_parts(output: Path, kind: str, cells: Iterable[int]) -> None:
    """Removes the parts of all other cells: they were of an earlier state of the archive."""
    for cell in set(parts(output, kind)) - set(cells):
        part(output, kind, cell).unlink()


def parts(output: Path, kind: str) -> Iterator[int]:
    """Cells that have a part."""
    return (cell for cell in range(CELLS) if part(output, kind, cell).is_file())
