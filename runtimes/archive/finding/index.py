"""The index beside the results: Parquet files of what is known of each file and each series of the archive.

It saves reading: what it lacks, or what is damaged in it, is read from the archive again.
"""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.storage.output import Output

INDEX, FILES, SERIES = "index", "files", "series"

_PART = re.compile(r"([0-9a-f]{2})\.parquet")


def part(kind: str, cell: int) -> str:
    """The name of the part of `FILES` or `SERIES` for a cell."""
    return f"{INDEX}/{kind}/{cell:02x}.parquet"


def write_parts(output: Output, kind: str, rows_of: dict[int, list[dict[str, Any]]], schema: Any) -> None:
    """Replaces parts, each as a whole. After a power cut they may have to be made again."""
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")

    def write(cell: int) -> None:
        table = pyarrow.Table.from_pylist(rows_of[cell], schema)
        output.write(part(kind, cell), _parquet(parquet, table), durable=False)

    for _ in output.mapped(write, rows_of):
        continue


def _parquet(parquet: Any, table: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_parts(output: Output, kind: str, cells: range, schema: Any) -> Iterator[Any]:
    """The tables of those of these cells that have one."""
    there = (cell for cell in parts(output, kind) if cell in cells)
    return output.mapped(lambda cell: read_part(output, kind, cell, schema), there)


def read_part(output: Output, kind: str, cell: int, schema: Any) -> Any:
    """A part; an empty table if it is not there, damaged, or of another version."""
    parquet: Any = require("pyarrow.parquet", "scale")
    pyarrow: Any = require("pyarrow", "scale")
    try:
        if (data := output.read(part(kind, cell))) is None:
            return schema.empty_table()
        found = parquet.ParquetFile(io.BytesIO(data)).read()
    except (OSError, pyarrow.ArrowException):
        return schema.empty_table()
    return found if found.schema.equals(schema) else schema.empty_table()


def keep_parts(output: Output, kind: str, cells: Iterable[int]) -> None:
    """Removes the parts of all other cells: they were of an earlier state of the archive."""
    for cell in set(parts(output, kind)) - set(cells):
        output.remove(part(kind, cell))


def parts(output: Output, kind: str) -> Iterator[int]:
    """Cells that have a part, in order."""
    found = (_PART.fullmatch(name) for name in output.names(f"{INDEX}/{kind}"))
    return (int(match[1], 16) for match in found if match is not None)
