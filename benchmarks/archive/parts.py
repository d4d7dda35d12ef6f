"""The parts of an archive's cost: whole runs, read from their rows, and single steps."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

from miniseg_edge.benchmarks.archive.refused import Driver, Refused
from miniseg_edge.benchmarks.archive.runs import ArchiveRun
from miniseg_edge.benchmarks.session.study_burst import inference_ms
from miniseg_edge.runtimes.archive.row import DONE
from miniseg_edge.runtimes.archive.table import parquet_from_rows
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.studies import open_study

TABLE_ROWS = 2000


@dataclass(frozen=True)
class Parts:
    """The time of each step with one worker, in seconds.

    Attributes:
        slices, bytes: of a series.
        fetch_s, open_s, segment_s, write_s: of a series, in the worker; slices are read while others are segmented.
        inference_s: of the engine alone, for as many prepared slices.
        read_s: of reading and decoding alone.
        result_bytes: written for a series, in `result_files` files.
        find_s: for a file: listing, reading its header, grouping; by one process.
        table_s: for a row, each time its worker writes its part of the table.
        driver: its processor time.
    """

    slices: int
    bytes: int
    fetch_s: float
    open_s: float
    segment_s: float
    write_s: float
    inference_s: float
    read_s: float
    result_bytes: int
    result_files: int
    find_s: float
    table_s: float
    driver: Driver

    @property
    def series_s(self) -> float:
        """A worker's time per series."""
        return self.fetch_s + self.open_s + self.segment_s + self.write_s


def measure_parts(bundle: Path, series: Path, output: Path, runs: Sequence[ArchiveRun], refused: Refused) -> Parts:
    """The parts of the `runs` of one worker.

    Args:
        bundle: that ran.
        series: one of the archive's.
        output: of one of the runs.
        runs: with one worker.
        refused: of many series that are refused at once.
    """
    rows = [row for run in runs for row in run.rows if row.status == DONE]
    study, row = open_study(series), rows[0]
    start = time.perf_counter()
    voxels = [study.read(index).voxels_hu for index in range(len(study))]
    read_s = time.perf_counter() - start
    with load(bundle, row.runtime or "", row.device or "", 1, streams=1, precision=row.precision or "") as segmenter:
        prepared = [segmenter.prepare_hu(slice_, judged=True) for slice_ in voxels]
        inference_s = median(inference_ms(segmenter, prepared, len(study)) for _ in range(3)) / 1e3
    many = [replace(row, key=f"{index:032x}") for index in range(TABLE_ROWS)]
    start = time.perf_counter()
    parquet_from_rows(many)
    table_s = (time.perf_counter() - start) / len(many)
    results = [path for path in (output / "series" / row.key).iterdir() if path.is_file()]
    return Parts(
        slices=row.slices,
        bytes=row.bytes,
        fetch_s=mean(one.fetch_s for one in rows),
        open_s=mean(one.open_s for one in rows),
        segment_s=mean(one.segment_s for one in rows),
        write_s=mean(one.write_s for one in rows),
        inference_s=inference_s,
        read_s=read_s,
        result_bytes=sum(path.stat().st_size for path in results),
        result_files=len(results),
        find_s=refused.processes.find_s * refused.processes.workers,
        table_s=table_s,
        driver=refused.driver(),
    )
