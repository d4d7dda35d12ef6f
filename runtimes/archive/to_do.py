"""What is left to do, on the disk and never as a list in memory."""

import heapq
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.finding.records import series_of, series_schema
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.storage.complete import check_complete
from miniseg_edge.runtimes.archive.storage.folder_output import SCRATCH
from miniseg_edge.runtimes.archive.storage.output import Output

TO_DO = f"{SCRATCH}/to-do"

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
        output: that holds a part for each digit; each machine that hands out series must reach it.
        scratch: folder for copies of the parts of a far output.
        count: of series.
    """

    output: Output
    scratch: Path
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Series]:
        names = [f"{TO_DO}/{name}" for name in self.output.names(TO_DO) if name.endswith(".parquet")]
        given = 0
        with ExitStack() as parts:
            paths = [parts.enter_context(self.output.local(name, self.scratch)) for name in names]
            for row in heapq.merge(*map(_rows, paths), key=size_order):
                given += 1
                yield series_of(row)
        check_complete("series of the list of what is left to do", self.count, given)


def size_order(row: dict[str, Any]) -> tuple[int, str]:
    """By which rows of series are sorted."""
    return -row["bytes"], row["key"]


def write_to_do(output: Output, digit: str, rows: Sequence[dict[str, Any]]) -> None:
    """Writes a part, unless it has no rows. Raises: OSError, OutputError."""
    if not rows:
        return
    pyarrow: Any = require("pyarrow", "scale")
    parquet: Any = require("pyarrow.parquet", "scale")
    table = pyarrow.Table.from_pylist(sorted(rows, key=size_order), series_schema())
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, row_group_size=_AT_ONCE)
    output.write(_part(digit), buffer.getvalue(), durable=False)


def read_to_do(output: Output, digit: str, scratch: Path) -> Iterator[Series]:
    """The series of a part. Raises: OSError, OutputError."""
    with output.local(_part(digit), scratch) as path:
        yield from map(series_of, _rows(path))


def _part(digit: str) -> str:
    return f"{TO_DO}/{digit}.parquet"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    parquet: Any = require("pyarrow.parquet", "scale")
    with path.open("rb") as file, parquet.ParquetFile(file) as opened:  # by Python: pyarrow opens only UTF-8 paths
        for batch in opened.iter_batches(batch_size=_AT_ONCE):
            yield from batch.to_pylist()
