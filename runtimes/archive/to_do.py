"""What is left to do, on the disk and never as a list in memory."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import make_folder
from miniseg_edge.runtimes.archive.finding.records import series_of, series_schema
from miniseg_edge.runtimes.archive.series import Series

_AT_ONCE = 16
"""Series of a part that are in memory while they are handed out: each has the names of all its files."""


class Queued(Protocol):
    """Series, to be handed out in order: a list, or on the disk."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[Series]:
        """From the first."""


@dataclass(frozen=True)
class ToDo:
    """Series that are left to do, the largest first, so that at the end no worker has long to do while others wait.

    Attributes:
        folder: that holds a part for each digit; each machine that hands out series must reach it.
        count: of series.
    """

    folder: Path
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Series]:
        parts = [_rows(path) for path in sorted(self.folder.glob("*.parquet"))]
        return map(series_of, heapq.merge(*parts, key=size_order))


def size_order(row: dict[str, Any]) -> tuple[int, str]:
    """By which rows of series are sorted."""
    return -row["bytes"], row["key"]


def write_to_do(folder: Path, digit: str, rows: Sequence[dict[str, Any]]) -> None:
    """Writes a part. Raises: OSError."""
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")
    make_folder(folder)
    table = pyarrow.Table.from_pylist(sorted(rows, key=size_order), series_schema())
    with _part(folder, digit).open("wb") as file:  # by Python: pyarrow opens no path that is not UTF-8
        parquet.write_table(table, file, row_group_size=_AT_ONCE)


def read_to_do(folder: Path, digit: str) -> Iterator[Series]:
    """The series of a part."""
    return map(series_of, _rows(_part(folder, digit)))


def _part(folder: Path, digit: str) -> Path:
    return folder / f"{digit}.parquet"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    parquet: Any = require("pyarrow.parquet", "scale")
    with path.open("rb") as file, parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=_AT_ONCE):
            yield from batch.to_pylist()
