"""The parts of an archive's cost: whole runs, read from their rows, and single steps."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import mean, median

import psutil

from miniseg_edge.benchmarks.session.study_burst import inference_ms
from miniseg_edge.runtimes.archive.row import DONE, Row
from miniseg_edge.runtimes.archive.run import segment_archive
from miniseg_edge.runtimes.archive.table import parquet_from_rows, rows_in
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.studies import open_study

TABLE_ROWS = 2000
_RAYS_OWN = ("gcs_server", "raylet")


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
        driver_s: processor time of the driver for a series, (processes, ray); of Ray's own servers too.
        small_per_s: series a second that each executor gets through with two workers, if there is next to nothing to
            do for each, (processes, ray).
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
    driver_s: tuple[float, float]
    small_per_s: tuple[float, float]

    @property
    def series_s(self) -> float:
        """A worker's time per series."""
        return self.fetch_s + self.open_s + self.segment_s + self.write_s


@dataclass(frozen=True)
class ArchiveRun:
    """A run, from its rows.

    Attributes:
        rows: all.
        workers: that there were.
        start_s: time of the whole call that is neither finding nor work: starting and ending processes, Ray and
            engines.
        work_s: from the first worker's start to the last row.
        find_s: for a file.
        driver_s: processor time of the driver, and of Ray's servers that it started, per series.
    """

    rows: tuple[Row, ...]
    workers: int
    start_s: float
    work_s: float
    find_s: float
    driver_s: float

    @property
    def slices_per_s(self) -> float:
        """Slices per second, without the start."""
        return sum(row.slices for row in self.rows) / self.work_s

    @property
    def series_per_s(self) -> float:
        """Series per second, without the start."""
        return len(self.rows) / self.work_s

    @property
    def outside_s(self) -> float:
        """A worker's time between series, per series: waiting, and the work of driver and executor."""
        return (self.work_s * self.workers - sum(row.seconds for row in self.rows)) / len(self.rows)


def archive_run(bundle: Path, source: Path, output: Path, executor: str, workers: int) -> ArchiveRun:
    """Runs an archive with a new output folder."""
    driver_s: list[float] = []

    def progress(what: str, done: int, of: int) -> None:
        if what == "segmenting":
            driver_s.append(_processor_s())

    start = time.perf_counter()
    report = segment_archive(bundle, source, output, executor=executor, workers=workers, progress=progress)
    end = time.perf_counter()
    rows = rows_in(output)
    # Rows contain their own time stamps: they reach the driver later, with Ray several at once.
    made_s = [datetime.fromisoformat(row.created).timestamp() for row in rows]
    work_s = max(made_s) - min(made - row.seconds for made, row in zip(made_s, rows, strict=True))
    return ArchiveRun(
        rows=tuple(rows),
        workers=workers,
        start_s=end - start - report.find_s - work_s,
        work_s=work_s,
        find_s=report.find_s / sum(row.files for row in rows),
        driver_s=(driver_s[-1] - driver_s[0]) / max(1, len(rows) - 1),
    )


def measure_parts(
    bundle: Path, series: Path, output: Path, runs: Sequence[ArchiveRun], small: Sequence[ArchiveRun]
) -> Parts:
    """The parts of the `runs` of one worker.

    Args:
        bundle: that ran.
        series: one of the archive's.
        output: of one of the runs.
        runs: with one worker.
        small: of series with negligible work, on processes and on Ray.
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
        find_s=median(run.find_s for run in runs),
        table_s=table_s,
        driver_s=(small[0].driver_s, small[1].driver_s),
        small_per_s=(small[0].series_per_s, small[1].series_per_s),
    )


def write_unreadable(folder: Path, count: int) -> None:
    """Files that look like DICOM, and are refused at once."""
    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index:06d}.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(64)))


def _processor_s() -> float:
    own = psutil.Process()
    servers = [child for child in own.children(recursive=True) if child.name() in _RAYS_OWN]
    return sum(sum(process.cpu_times()[:2]) for process in (own, *servers))
