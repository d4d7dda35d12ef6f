"""What each worker does when it finds: one task of one step."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.finding import index, steps
from miniseg_edge.runtimes.archive.finding.records import (
    cell_of_key,
    cell_of_name,
    file_schema,
    row_of,
    series_schema,
)
from miniseg_edge.runtimes.archive.finding.spill import spilled, write_spill
from miniseg_edge.runtimes.archive.source import Source, source_at
from miniseg_edge.runtimes.archive.storage.complete import check_complete
from miniseg_edge.runtimes.archive.storage.output import Output

Step = Literal["list", "read", "settle", "group"]
LIST: Step = "list"
READ: Step = "read"
SETTLE: Step = "settle"
GROUP: Step = "group"

_PIECE_RECORDS = 2**16


@dataclass(frozen=True)
class Task:
    """A piece of a step.

    Attributes:
        step: which.
        number: of the task in its step.
        cells: the first, and one behind the last.
        folders: to list.
        records: that these cells have from the step before.
    """

    step: Step
    number: int
    cells: tuple[int, int] = (0, 0)
    folders: tuple[str, ...] = ()
    records: int = 0


@dataclass(frozen=True)
class Done:
    """What a task came to; it does not grow with the archive.

    Attributes:
        counts: records for each cell of the next step.
        folders: that are left to list.
        read: headers.
        other_files, links_out: as in `Found`.
    """

    counts: Counter[int] = field(default_factory=Counter)
    folders: tuple[str, ...] = ()
    read: int = 0
    other_files: int = 0
    links_out: int = 0


class Finder:
    """Does tasks. Thread-safety: none; a process has one.

    Args:
        source: path or URL.
        follow_links: as for `source_at`.
        output: whose index it reads and writes; all workers must reach it by the same path or URL.
        between: folder in it for what goes from one step to the next.
    """

    def __init__(self, source: str, follow_links: bool, output: Output, between: str) -> None:
        self._source, self._follow_links = source, follow_links
        self._output, self._between = output, between
        self._opened: Source | None = None

    def __call__(self, task: Task) -> Done:
        """Does a task.

        Raises: InputError: a folder cannot be listed; IntegrityError: records are missing; OSError, OutputError,
            MissingDependencyError.
        """
        return {LIST: self._list, READ: self._read, SETTLE: self._settle, GROUP: self._group}[task.step](task)

    def leave(self) -> None:
        """Nothing is held."""

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it opens the source for itself."""
        return Finder, (self._source, self._follow_links, self._output, self._between)

    @property
    def _at(self) -> Source:
        if self._opened is None:
            self._opened = source_at(self._source, follow_links=self._follow_links)
        return self._opened

    def _list(self, task: Task) -> Done:
        files, left, links_out = steps.listed(self._at, task.folders)
        rows = [row_of(file) for file in files]
        counts = self._spill(task, _table(rows), [cell_of_name(row["name"]) for row in rows])
        return Done(counts, tuple(left), links_out=links_out + sum(file.is_outside for file in files))

    def _read(self, task: Task) -> Done:
        known = {
            row["name"]: row
            for table in index.read_parts(self._output, index.FILES, range(*task.cells), file_schema())
            for row in table.to_pylist()
        }
        # The index is written by cell, and each file's cell is told by its name.
        rows = (row for table in self._spilled(LIST, task) for row in table.to_pylist())
        found, read = defaultdict[int, list[dict[str, Any]]](list), 0
        for row, was_read in steps.read(self._at, rows, known):
            found[cell_of_name(row["name"])].append(row)
            read += was_read
        index.write_parts(self._output, index.FILES, found, file_schema())
        flat = [row for members in found.values() for row in members]
        cells = [cell_of_name(row["name"].rpartition(b"/")[0]) for row in flat]
        return Done(self._spill(task, _table(flat), cells), read=read)

    def _settle(self, task: Task) -> Done:
        """In pieces: a folder's files are one task's, and one folder may hold the whole archive."""
        counts, others, kept = Counter[int](), 0, list[Any]()
        pieces = itertools.count()
        for table, without_series in steps.settled(list(self._spilled(READ, task))):
            others += without_series
            kept.append(table)
            if sum(one.num_rows for one in kept) >= _PIECE_RECORDS:
                counts += self._settled_piece(task, next(pieces), kept)
                kept = []
        return Done(counts + self._settled_piece(task, next(pieces), kept), other_files=others)

    def _settled_piece(self, task: Task, piece: int, tables: list[Any]) -> Counter[int]:
        if not tables:
            return Counter()
        pyarrow: Any = require("pyarrow", "scale")
        table = pyarrow.concat_tables(tables)
        return self._spill(task, table, [cell_of_key(key) for key in table["key"].to_pylist()], piece)

    def _group(self, task: Task) -> Done:
        found = defaultdict[int, list[dict[str, Any]]](list)
        for row in steps.grouped(list(self._spilled(SETTLE, task))):
            found[cell_of_key(row["key"])].append(row)
        for rows in found.values():
            # The largest first, so that at the end no worker has long to do while others have nothing.
            rows.sort(key=lambda row: (-row["bytes"], row["key"]))
        index.write_parts(self._output, index.SERIES, found, series_schema())
        return Done(Counter({cell: len(rows) for cell, rows in found.items()}))

    def _spill(self, task: Task, table: Any, cells: list[int], piece: int = 0) -> Counter[int]:
        return write_spill(
            self._output, f"{self._between}/{task.step}/{task.number:06d}-{piece:06d}.arrow", table, cells
        )

    def _spilled(self, step: Step, task: Task) -> Iterator[Any]:
        """All records of a task: a series never shrinks because another run cleared the output behind this one."""
        came = 0
        for table in spilled(self._output, f"{self._between}/{step}", range(*task.cells)):
            came += table.num_rows
            yield table
        check_complete("records of the search", task.records, came)


def _table(rows: list[dict[str, Any]]) -> Any:
    pyarrow: Any = require("pyarrow", "scale")
    return pyarrow.Table.from_pylist(rows, file_schema())
