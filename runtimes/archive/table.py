"""The rows as Parquet: sixteen parts by the first digit of their keys, and loose parts, each of one worker.

What counts is the output folder's `row.json` of each series; the table says the same, in few files. Workers write loose
parts of their own; they are compacted into the sixteen when a run begins and when it ends. Each file is replaced as a
whole, so readers always see whole rows.
"""

import io
import os
import threading
import time
import types
import typing
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from miniseg_edge.errors import IntegrityError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.storage.output import Output, output_at

ROWS = "rows"
FLUSH_S = 5.0
"""A worker writes its rows together, so often; one that is not yet in its part is in the output folder."""

LOOSE_ROWS = 1000
"""Rows of a loose part; then its worker begins another."""

DIGITS = "0123456789abcdef"
_TYPES = {str: "string", int: "int64", float: "float64", bool: "bool_"}
_LOOKS = 20
_LOOSE, _PART, _SUFFIX = "loose-", "part-", ".parquet"


class LooseRows:
    """A worker's own rows. Thread-safety: all methods may be called from many threads."""

    def __init__(self, output: Output) -> None:
        self._output, self._name = output, uuid.uuid4().hex[:12]
        self._rows: list[Row] = []
        self._number, self._written = 0, 0
        self._flushed = time.monotonic()
        self._lock = threading.Lock()

    def add(self, row: Row) -> None:
        """Takes a row, and writes when it is time to. Raises: OutputError."""
        with self._lock:
            self._rows.append(row)
            is_full = len(self._rows) >= LOOSE_ROWS
            if is_full or time.monotonic() - self._flushed >= FLUSH_S:
                self._flush()
            if is_full:
                self._rows, self._written = [], 0
                self._number += 1

    def flush(self) -> None:
        """Writes what is not written yet. Raises: OutputError."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if len(self._rows) > self._written:
            name = f"{ROWS}/{_LOOSE}{self._name}-{self._number:04d}{_SUFFIX}"
            self._output.write(name, parquet_from_rows(self._rows))
            self._written = len(self._rows)
        self._flushed = time.monotonic()


def write_digit(output: Output, digit: str, rows: Iterable[Row]) -> None:
    """Replaces one of the sixteen parts. Raises: OutputError."""
    name = _part(digit)
    if ordered := sorted(rows, key=lambda row: row.key):
        output.write(name, parquet_from_rows(ordered))
    else:
        output.remove(name)


def rows_of_digit(output: Output, digit: str) -> dict[str, Row]:
    """What the table has of a digit, by key: its part, and what loose parts have of it. Raises: IntegrityError."""
    part = _part(digit)
    names = [name for name in _parts(output, "") if name == part or name.startswith(f"{ROWS}/{_LOOSE}")]
    read = output.mapped(lambda name: (name, output.read(name)), names)
    return _newest(row for name, data in read if data is not None for row in _rows_of(name, data, digit))


def loose_parts(output: Output) -> list[str]:
    """Names of parts that workers have written."""
    return _parts(output, _LOOSE)


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
    """All rows of an output folder, each series once, in the order of their keys; also while a run works on it.

    Args:
        output: path, or URL of fsspec's.

    Raises:
        IntegrityError: a part is damaged. OutputError: the URL cannot be read.
    """
    place = output_at(output)
    for _ in range(_LOOKS):
        names = _parts(place, _PART) + loose_parts(place)
        parts = list(place.mapped(place.read, names))
        if None not in parts:  # otherwise a loose part was compacted meanwhile, so its rows are elsewhere
            read = ((name, data) for name, data in zip(names, parts, strict=True) if data is not None)
            found = _newest(row for name, data in read for row in _rows_of(name, data))
            return [found[key] for key in sorted(found)]
    raise IntegrityError(
        "the rows changed while they were read", expected="a table that can be read", got=f"{_LOOKS} changes"
    )


def _newest(rows: Iterable[Row]) -> dict[str, Row]:
    found = dict[str, Row]()
    for row in rows:
        if (there := found.get(row.key)) is None or there.created <= row.created:
            found[row.key] = row
    return found


def _part(digit: str) -> str:
    return f"{ROWS}/{_PART}{digit}{_SUFFIX}"


def _parts(output: Output, start: str) -> list[str]:
    return [f"{ROWS}/{name}" for name in output.names(ROWS, start) if name.endswith(_SUFFIX)]


def _rows_of(name: str, data: bytes, digit: str = "") -> Iterator[Row]:
    """In memory, since pyarrow opens no path that is not UTF-8."""
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")
    compute: Any = require("pyarrow.compute", "scale")
    try:
        table = parquet.ParquetFile(io.BytesIO(data)).read()
        rows = table.filter(compute.starts_with(table["key"], digit)).to_pylist()
        yield from (Row(**found) for found in rows)
    except (pyarrow.ArrowException, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{name} cannot be read",
            because=type(error).__name__,
            expected="a table of this version",
            remedy="Remove the folder rows: the next run makes it again.",
        ) from error


def _columns() -> Iterable[tuple[str, type]]:
    hints = typing.get_type_hints(Row)
    for field in fields(Row):
        hint = hints[field.name]
        kinds = [k for k in typing.get_args(hint) if k is not types.NoneType] or [hint]
        yield field.name, kinds[0]
