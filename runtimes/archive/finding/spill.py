"""Records on their way from one step to the next: a task writes files sorted by cell, and reads its cells of all.

On a disk a file is mapped into memory, and its cells are a slice of the one batch in it. Of an object a range of bytes
is fetched: each cell's records are a batch, and where these start is at the object's beginning.
"""

import io
import json
import mmap
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.finding.records import CELLS, file_schema
from miniseg_edge.runtimes.archive.storage.output import Output

_STARTS = b"starts"
_OFFSETS = struct.Struct(f"<{CELLS + 1}Q")


def write_spill(output: Output, name: str, table: Any, cells: Sequence[int]) -> Counter[int]:
    """Writes a table sorted by cell; how many records each cell has.

    A task that is repeated writes the same file again, so none of its records is there twice.
    Raises: OSError, OutputError.
    """
    pyarrow: Any = require("pyarrow", "scale")
    counts = Counter(cells)
    starts = [0]
    for cell in range(CELLS):
        starts.append(starts[-1] + counts[cell])
    order = sorted(range(len(cells)), key=cells.__getitem__)
    ordered = table.take(pyarrow.array(order, pyarrow.int64())).combine_chunks()
    data = _to_map(ordered, starts) if output.folder is not None else _to_fetch(ordered, starts)
    output.write(name, data, durable=False)
    return counts


def spilled(output: Output, folder: str, cells: range) -> Iterator[Any]:
    """The records of these cells, a table for each file that has some. Raises: OSError, OutputError."""
    read = _mapped if output.folder is not None else _fetched
    names = (f"{folder}/{name}" for name in output.names(folder) if name.endswith(".arrow"))
    return (table for table in output.mapped(lambda name: read(output, name, cells), names) if table is not None)


def _to_map(ordered: Any, starts: list[int]) -> bytes:
    pyarrow: Any = require("pyarrow", "scale")
    ordered = ordered.replace_schema_metadata({_STARTS: json.dumps(starts)})
    sink = io.BytesIO()
    with pyarrow.ipc.new_file(sink, ordered.schema) as writer:
        writer.write_table(ordered)
    return sink.getvalue()


def _mapped(output: Output, name: str, cells: range) -> Any:
    """Read from the disk as it is used."""
    pyarrow: Any = require("pyarrow", "scale")
    assert output.folder is not None  # noqa: S101
    with (output.folder / name).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pyarrow.ipc.open_file(pyarrow.py_buffer(mapped)).read_all()  # whose columns keep the mapping alive
    starts = json.loads(table.schema.metadata[_STARTS])
    first, end = starts[cells.start], starts[cells.stop]
    return table.slice(first, end - first).replace_schema_metadata(None) if first < end else None


def _to_fetch(ordered: Any, starts: list[int]) -> bytes:
    blocks = [
        b"".join(batch.serialize().to_pybytes() for batch in ordered.slice(first, end - first).to_batches())
        for first, end in pairwise(starts)
    ]
    offsets = accumulate((len(block) for block in blocks), initial=_OFFSETS.size)
    return _OFFSETS.pack(*offsets) + b"".join(blocks)


def _fetched(output: Output, name: str, cells: range) -> Any:
    pyarrow: Any = require("pyarrow", "scale")
    offsets = _OFFSETS.unpack(output.piece(name, 0, _OFFSETS.size))
    first, end = offsets[cells.start], offsets[cells.stop]
    if first == end:
        return None
    stream, batches, schema = pyarrow.BufferReader(output.piece(name, first, end)), [], file_schema()
    while stream.tell() < end - first:
        batches.append(pyarrow.ipc.read_record_batch(pyarrow.ipc.read_message(stream), schema))
    return pyarrow.Table.from_batches(batches).combine_chunks()
