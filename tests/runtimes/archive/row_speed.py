"""Committing rows alone: `python -m tests.runtimes.archive.row_speed 1000 --workers 8`.

Each worker commits rows and adds them to the table, as it does for series. It prints rows a second of all workers
together.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.row import DONE, Row
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.table import LooseRows, rows_in

ROW = Row(
    key="", source="ward/00017", files=100, bytes=52_500_000, stamp="0" * 64, known_by="times", content_sha256="1" * 64,
    status=DONE, slices=100, finding=True, lesion_volume_ml=12.5, lesions=3, slices_with_findings=20, remarks="",
    error_code=None, error=None, bundle_digest="2" * 64, runtime="native", device="cpu", precision="fp32",
    input_sha256="3" * 64, fetch_s=0.1, open_s=0.1, segment_s=0.5, write_s=0.2, seconds=0.9, worker="host-1",
    created="2026-01-01T00:00:00.000+00:00",
)  # fmt: skip


def commit_rows(output: Path, worker: int, count: int) -> float:
    """A worker's part, in a process of its own: so many rows; the seconds that they take."""
    place = output_at(output)
    folder, table, start = OutputFolder(place), LooseRows(place), time.perf_counter()
    for index in range(count):
        row = replace(ROW, key=hashlib.sha256(f"{worker} {index}".encode()).hexdigest()[:32])
        folder.commit(row)
        table.add(row)
    table.flush()
    return time.perf_counter() - start


def main() -> None:
    """Commits, counts, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, help="of each worker")
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    own = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(parsed.workers, own) as workers:
        for count in (1, parsed.rows):  # the first row imports what it needs
            output = Path(folder) / str(count)
            took_s = list(workers.map(partial(commit_rows, output, count=count), range(parsed.workers)))
        found = len(rows_in(output))
        assert found == parsed.rows * parsed.workers, "a row is missing"
        sys.stdout.write(f"{found:,} rows, {parsed.workers} workers, {found / max(took_s):,.0f} rows/s\n")


if __name__ == "__main__":
    main()
