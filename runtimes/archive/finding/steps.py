"""The four steps. Each turns records into records, and can be done for some cells without knowing the others."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.silence import DICOM_LIBRARIES, silence
from miniseg_edge.printable import printable
from miniseg_edge.runtimes.archive.content import CONTENT, ETAG
from miniseg_edge.runtimes.archive.finding.headers import columns_of, header_of, key_of_file
from miniseg_edge.runtimes.archive.finding.records import OTHER, SLICE, UNREADABLE, bytes_of, file_of, name_of
from miniseg_edge.runtimes.archive.series import stamp_of
from miniseg_edge.runtimes.archive.source import ArchiveFile, Source
from miniseg_edge.studies.other_files import name_pattern

FILES_A_TASK = 4096
"""Files after which a task that lists leaves the other folders to others."""

READERS = 8
"""Threads that read the starts of far files: they wait for the network."""

Row = dict[str, Any]


def listed(source: Source, folders: Iterable[str]) -> tuple[list[ArchiveFile], list[str], int]:
    """The files below these folders, the folders that are left to list, and links out. Raises: InputError."""
    files, left, links_out = list[ArchiveFile](), list(folders), 0
    while left and len(files) < FILES_A_TASK:
        found = source.listed(left.pop())
        files += found.files
        left += found.folders
        links_out += found.links_out
    return files, left, links_out


def read(source: Source, files: Iterable[Row], known: dict[bytes, Row]) -> Iterator[tuple[Row, bool]]:
    """Rows with what their headers say, and whether a header was read: none that an earlier run has read."""

    def one(row: Row) -> tuple[Row, bool]:
        before = known.get(row["name"])
        if before is not None and _is_same(row, before):
            return before, False
        return {**row, **columns_of(header_of(source, file_of(row)))}, True

    with silence(*DICOM_LIBRARIES):
        if not source.is_far:
            yield from map(one, files)
            return
        with ThreadPoolExecutor(READERS, thread_name_prefix="miniseg-find") as readers:
            yield from readers.map(one, files)


def _is_same(row: Row, before: Row) -> bool:
    """Whether the file is as an earlier run has read it; what it could not read may be readable now."""
    said = all(row[name] == before[name] for name in ("bytes", "stamp", "known_by", "is_outside"))
    return said and row["known_by"] != CONTENT and before["state"] != UNREADABLE


def settled(tables: list[Any]) -> Iterator[tuple[Any, int]]:
    """Records with a series each, and how many files have none; all files of a folder must be in these tables.

    A file that may be a slice but cannot be read goes to every series in its folder, so that none of them shrinks
    silently: the row says which file it is. If no series lies there it is one by itself, to be refused.
    """
    compute: Any = require("pyarrow.compute", "scale")
    open_ones = [row for table in tables for row in table.filter(compute.field("state") < SLICE).to_pylist()]
    folders = {_folder(row) for row in open_ones}
    keys, patterns = defaultdict(set), set()
    for table in tables if folders else ():
        slices = table.filter(compute.field("state") == SLICE).select(["name", "key"])
        for batch in slices.to_batches():
            for row in batch.to_pylist():
                if (folder := _folder(row)) in folders:
                    keys[folder].add(row["key"])
                    if pattern := name_pattern(name_of(row["name"])):
                        patterns.add((folder, pattern))
    found, others = list[Row](), 0
    for row in open_ones:
        name, folder = name_of(row["name"]), _folder(row)
        if row["state"] == OTHER and (folder, name_pattern(name)) not in patterns:
            others += 1
            continue
        here = sorted(keys.get(folder, ())) or [key_of_file(name)]
        found += ({**row, "state": UNREADABLE, "key": key} for key in here)
    for table in tables:
        yield table.filter(compute.field("state") >= SLICE), 0
    if open_ones:
        pyarrow: Any = require("pyarrow", "scale")
        yield pyarrow.Table.from_pylist(found, tables[0].schema), others


def _folder(row: Row) -> bytes:
    return bytes(row["name"].rpartition(b"/")[0])


def grouped(tables: list[Any]) -> Iterator[Row]:
    """The series of these records, as rows of the index; all files of a series must be in these tables."""
    pyarrow: Any = require("pyarrow", "scale")
    ordered = pyarrow.concat_tables(tables).sort_by([("key", "ascending"), ("name", "ascending")])
    rows = (row for batch in ordered.to_batches(max_chunksize=FILES_A_TASK) for row in batch.to_pylist())
    return (_series(key, list(members)) for key, members in groupby(rows, lambda row: str(row["key"])))


def _series(key: str, rows: list[Row]) -> Row:
    files = [file_of(row) for row in rows]
    names = [file.name for file in files]
    where = names[0] if len(names) == 1 else posixpath.commonpath([posixpath.dirname(name) for name in names]) or "."
    known_by = files[0].known_by if len({file.known_by for file in files}) == 1 else CONTENT
    slices = [row["frames"] or 1 for row in rows if row["state"] == SLICE]
    return {
        "key": key,
        "source": printable(where),
        "where": bytes_of(where),
        "names": [row["name"] for row in rows],
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        "stamp": stamp_of(files),
        "known_by": known_by,
        "etags": [file.etag for file in files] if known_by == ETAG else None,
        "slices": sum(slices) if slices else None,
        **{name: _said(rows, name) for name in ("study", "modality", "rows", "columns")},
    }


def _said(rows: list[Row], name: str) -> Any:
    """What most of a series' files say."""
    counts = Counter(row[name] for row in rows if row[name] is not None)
    return min(counts, key=lambda value: (-counts[value], str(value)), default=None)
