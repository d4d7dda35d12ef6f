"""Records on their way from one step to the next: a task writes files sorted by cell, and reads its cells of all."""

import json
import mmap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import make_folder
from miniseg_edge.runtimes.archive.finding.records import CELLS

_STARTS = b"starts"


def write_spill(path: Path, table: Any, cells: Sequence[int]) -> Counter[int]:
    """Writes a table sorted by cell; how many records each cell has.

    A task that is repeated writes the same file again, so none of its records is there twice. Raises: OSError.
    """
    pyarrow: Any = require("pyarrow", "scale")
    counts = Counter(cells)
    starts = [0]
    for cell in range(CELLS):
        starts.append(starts[-1] + counts[cell])
    order = sorted(range(len(cells)), key=cells.__getitem__)
    ordered = table.take(pyarrow.array(order, pyarrow.int64())).combine_chunks()
    ordered = ordered.replace_schema_metadata({_STARTS: json.dumps(starts)})
    make_folder(path.parent)
    partial = path.with_suffix(".partial")
    # Opened by Python, since pyarrow opens no path that is not UTF-8.
    with partial.open("wb") as sink, pyarrow.ipc.new_file(sink, ordered.schema) as writer:
        writer.write_table(ordered)
    partial.replace(path)
    return counts


def spilled(folder: Path, cells: range) -> Iterator[Any]:
    """The records of these cells, a table for each file that has some; read from the disk as they are used."""
    pyarrow: Any = require("pyarrow", "scale")
    for path in sorted(folder.glob("*.arrow")):
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        table = pyarrow.ipc.open_file(pyarrow.py_buffer(mapped)).read_all()  # whose columns keep the mapping alive
        starts = json.loads(table.schema.metadata[_STARTS])
        first, end = starts[cells.start], starts[cells.stop]
        if first < end:
            yield table.slice(first, end - first).replace_schema_metadata(None)


def clear(folder: Path) -> None:
    """Removes a step's files, so that the disk holds no more than two steps'."""
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            path.unlink()
