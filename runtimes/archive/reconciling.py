"""The index, the output folder and the table, brought together, a digit of the keys at a time: what is left, what came.

It begins a run: which series are done, and which are to be done. And it ends it: what came of those that were done.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from miniseg_edge.runtimes.archive.content import content_sha256
from miniseg_edge.runtimes.archive.finding import index
from miniseg_edge.runtimes.archive.finding.records import series_of, series_schema
from miniseg_edge.runtimes.archive.finding.steps import READERS
from miniseg_edge.runtimes.archive.finding.where import chosen
from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.row import FAILED, Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.source import source_at
from miniseg_edge.runtimes.archive.storage.output import Output, output_at
from miniseg_edge.runtimes.archive.table import DIGITS, loose_parts, rows_of_digit, write_digit
from miniseg_edge.runtimes.archive.to_do import read_to_do, write_to_do
from miniseg_edge.runtimes.archive.work import Work

When = Literal["begin", "end"]
BEGIN: When = "begin"
END: When = "end"


@dataclass(frozen=True)
class Sums:
    """What rows come to.

    Attributes:
        statuses: how many rows have each.
        codes: how many failures have each error code.
        slices: in all.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    slices: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.statuses + other.statuses, self.codes + other.codes, self.slices + other.slices)


def sums_of(rows: Iterable[Row]) -> Sums:
    """What these rows come to."""
    statuses, codes, slices = Counter[str](), Counter[str](), 0
    for row in rows:
        statuses[row.status] += 1
        slices += row.slices
        if row.status == FAILED:
            codes[row.error_code or ""] += 1
    return Sums(statuses, codes, slices)


@dataclass(frozen=True)
class Reconciled:
    """What a digit came to.

    Attributes:
        digit: which.
        left: series that are to be done.
        left_out: series that the condition leaves out.
        sums: when it begins, of the rows that stay as they are; when it ends, of the rows that were to be made.
    """

    digit: str
    left: int
    left_out: int
    sums: Sums


class Reconciler:
    """Answers (when, digit). Thread-safety: none; a process has one.

    Args:
        work: of the run.
        where: condition that series must fulfil; None for all.
        retry_failed: whether failed series are to be done again.
    """

    def __init__(self, work: Work, where: str | None, retry_failed: bool) -> None:
        self._work, self._where, self._retry_failed = work, where, retry_failed
        self._output = output_at(work.output)
        self._folder = OutputFolder(self._output)

    def __call__(self, asked: tuple[When, str]) -> Reconciled:
        """Raises: OutputError, IntegrityError, OSError."""
        when, digit = asked
        return self._begin(digit) if when == BEGIN else self._end(digit)

    def leave(self) -> None:
        """Nothing is held."""

    def _begin(self, digit: str) -> Reconciled:
        table = rows_of_digit(self._output, digit)
        rows, left, kept, left_out = dict[str, Row](), list[dict[str, Any]](), list[Row](), 0
        doubtful = list[tuple[dict[str, Any], Row]]()
        for found, row, is_chosen in self._found(digit, table):
            if row is not None:
                rows[row.key] = row
            if not is_chosen:
                left_out += 1
            elif row is None or (self._retry_failed and row.status == FAILED):
                left.append(found)
            elif row.is_surely_of(series_of(found)):
                kept.append(row)
            else:
                doubtful.append((found, row))
        for found, moved in self._compared(doubtful):
            if moved is None:
                left.append(found)
            else:
                rows[moved.key] = moved
                kept.append(moved)
        for found in left:
            if rows.pop(found["key"], None) is not None:
                self._folder.forget(found["key"])
        # Series that are gone from the archive keep their results.
        gone = table.keys() - rows.keys() - {found["key"] for found in left}
        rows |= {key: table[key] for key in gone if self._folder.is_done(key)}
        if rows or table:
            write_digit(self._output, digit, rows.values())
        write_to_do(self._output, digit, left)
        return Reconciled(digit, len(left), left_out, sums_of(kept))

    def _end(self, digit: str) -> Reconciled:
        """The rows that were to be made are in loose parts, or, of a worker that was killed, in the output folder."""
        table = rows_of_digit(self._output, digit)
        made = list[Row]()
        for series in read_to_do(self._output, digit, self._work.scratch or self._output.scratch()):
            row = table.get(series.key)
            if row is None or not row.is_of(series):
                row = self._folder.row(series.key)
            if row is not None:
                table[row.key] = row
                made.append(row)
        write_digit(self._output, digit, table.values())
        return Reconciled(digit, 0, 0, sums_of(made))

    def _found(self, digit: str, rows: dict[str, Row]) -> Iterator[tuple[dict[str, Any], Row | None, bool]]:
        """The rows of the index, with those of the output, and whether they fulfil the condition."""
        for cell in index.parts(self._output, index.SERIES):
            if (start := f"{cell:02x}")[0] == digit:
                table = index.read_part(self._output, index.SERIES, cell, series_schema())
                keys = None if self._where is None or not table.num_rows else chosen(table, self._where)
                done = self._folder.done_with(start)
                for batch in table.to_batches(max_chunksize=1000):
                    for found in batch.to_pylist():
                        key = found["key"]
                        yield found, self._committed(key, rows) if key in done else None, keys is None or key in keys

    def _committed(self, key: str, table: dict[str, Row]) -> Row | None:
        return table[key] if key in table else self._folder.row(key)

    def _compared(self, doubtful: list[tuple[dict[str, Any], Row]]) -> Iterator[tuple[dict[str, Any], Row | None]]:
        """With the row as it is to be now, or None if the series has another content than its row."""
        if not doubtful:
            return
        source = source_at(self._work.source, follow_links=self._work.follow_links)

        def has_content(series: Series, row: Row) -> bool:
            """Reads all of it if the number of bytes is the same."""
            if row.content_sha256 is None or (row.files, row.bytes) != (len(series.files), series.bytes):
                return False
            return content_sha256(partial(source.opened, name) for name in series.files) == row.content_sha256

        with ThreadPoolExecutor(READERS, thread_name_prefix="miniseg-compare") as readers:
            same = readers.map(lambda pair: has_content(series_of(pair[0]), pair[1]), doubtful)
            for (found, row), is_same in zip(doubtful, same, strict=True):
                moved = row.moved_to(series_of(found)) if is_same else None
                if moved is not None and moved != row:
                    self._folder.commit(moved)
                yield found, moved


def compact(output: str | os.PathLike[str]) -> None:
    """Rebuilds the table of an output folder: sixteen parts, each series of the folder once.

    For a folder whose run was killed and will not be resumed. Raises: OutputError: a run works on it; IntegrityError.
    """
    place = output_at(output)
    folder = OutputFolder(place)
    with folder.locked():
        keys = folder.done()
        for digit in DIGITS:
            table = rows_of_digit(place, digit)
            mine = (key for key in keys if key.startswith(digit))
            rows = [table[key] if key in table else folder.row(key) for key in mine]
            write_digit(place, digit, [row for row in rows if row is not None])
        remove_loose(place)


def remove_loose(output: Output) -> None:
    """Removes the loose parts, whose rows are in the sixteen by now."""
    for name in loose_parts(output):
        output.remove(name)
