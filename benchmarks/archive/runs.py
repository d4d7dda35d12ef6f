"""One run of an archive, with what it cost."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.run import segment_archive
from miniseg_edge.runtimes.archive.table import rows_in

_RAYS_OWN = ("gcs_server", "raylet")


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
        driver_s, servers_s: processor time of the driver, and of Ray's servers that it started, per series.
    """

    rows: tuple[Row, ...]
    workers: int
    start_s: float
    work_s: float
    find_s: float
    driver_s: float
    servers_s: float

    @property
    def slices_per_s(self) -> float:
        """Slices per second, without the start."""
        return sum(row.slices for row in self.rows) / self.work_s

    @property
    def outside_s(self) -> float:
        """A worker's time between series, per series: waiting, and the work of driver and executor."""
        return (self.work_s * self.workers - sum(row.seconds for row in self.rows)) / len(self.rows)


def archive_run(
    bundle: Path,
    source: Path,
    output: Path,
    executor: str,
    workers: int,
    *,
    bounds: Bounds | None = None,
    ray: RaySetting | None = None,
) -> ArchiveRun:
    """Runs an archive with a new output folder."""
    used: list[tuple[float, float]] = []

    def progress(what: str, done: int, of: int) -> None:
        if what == "segmenting" and done in (1, of):
            used.append(_processor_s())

    start = time.perf_counter()
    report = segment_archive(
        bundle, source, output, executor=executor, workers=workers, bounds=bounds, ray=ray, progress=progress
    )
    end = time.perf_counter()
    rows = rows_in(output)
    # Rows contain their own time stamps: they reach the driver later, with Ray several at once.
    made_s = [datetime.fromisoformat(row.created).timestamp() for row in rows]
    work_s = max(made_s) - min(made - row.seconds for made, row in zip(made_s, rows, strict=True))
    (driver_s, servers_s), before = used[-1], used[0]
    return ArchiveRun(
        rows=tuple(rows),
        workers=workers,
        start_s=end - start - report.find_s - work_s,
        work_s=work_s,
        find_s=report.find_s / report.files,
        driver_s=(driver_s - before[0]) / max(1, len(rows) - 1),
        servers_s=(servers_s - before[1]) / max(1, len(rows) - 1),
    )


def _processor_s() -> tuple[float, float]:
    """Of this process and of Ray's servers below it, in seconds."""
    own = psutil.Process()
    servers = [child for child in own.children(recursive=True) if child.name() in _RAYS_OWN]
    used = [sum(sum(process.cpu_times()[:2]) for process in group) for group in ([own], servers)]
    return used[0], used[1]
