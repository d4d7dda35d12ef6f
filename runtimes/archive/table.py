"""The rows as Parquet, in parts by the first digit of their keys: a row has one place, so there are no duplicates.

The parts are derived from the output folder's rows, which are authoritative; each part is replaced as a whole.
"""

import io
import os
import time
import types
import typing
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.archive.row import Row

ROWS = "rows"
FLUSH_S = 5.0
"""Interval in seconds between writes; rows that are not written yet are in the output folder."""

_DIGITS = "0123456789abcdef"
PARTS = len(_DIGITS)
_TYPES = {str: "string", int: "int64", float: "float64", bool: "bool_"}


class Table:
    """The folder `rows` of an output folder. Not thread-safe; only the driver uses it."""

    def __init__(self, output: Path, rows: Iterable[Row]) -> None:
        """Starts with the rows of the output folder, and rewrites them. Raises: OutputError."""
        self._folder = output / ROWS
        self._parts: dict[str, dict[str, Row]] = {digit: {} for digit in _DIGITS}
        self._changed = set(_DIGITS)
        for row in rows:
            self._parts[row.key[0]][row.key] = row
        self.flush()

    def add(self, row: Row) -> None:
        """Adds a row, and writes if the interval has passed. Raises: OutputError."""
        self._parts[row.key[0]][row.key] = row
        self._changed.add(row.key[0])
        if time.monotonic() - self._flushed >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Writes the changed parts. Raises: OutputError."""
        for digit in sorted(self._changed):
            path, rows = self._folder / f"part-{digit}.parquet", self._parts[digit]
            if rows:
                replace_file(path, parquet_from_rows(rows[key] for key in sorted(rows)))
            else:
                path.unlink(missing_ok=True)
        self._changed.clear()
        self._flushed = time.monotonic()


def parquet_from_rows(rows: Iterable[Row]) -> bytes:
    """A Parquet file in memory."""
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")
    columns = [(name, getattr(pyarrow, _TYPES[kind])()) for name, kind in _columns()]
    table = pyarrow.Table.from_pylist([asdict(row) for row in rows], pyarrow.schema(columns))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def rows_in(output: str | os.PathLike[str]) -> list[Row]:
    """All rows of an output folder, sorted by key."""
    parquet: Any = require("pyarrow.parquet", "scale")
    parts = sorted((Path(output) / ROWS).glob("part-*.parquet"))
    # In memory, because pyarrow cannot open paths that are not UTF-8.
    tables = (parquet.ParquetFile(io.BytesIO(part.read_bytes())).read() for part in parts)
    return [Row(**found) for table in tables for found in table.to_pylist()]


def _columns() -> Iterable[tuple[str, type]]:
    hints = typing.get_type_hints(Row)
    for field in fields(Row):
        hint = hints[field.name]
        kinds = [k for k in typing.get_args(hint) if k is not types.NoneType] or [hint]
        yield field.name, kinds[0]
