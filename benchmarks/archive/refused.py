"""Many series that are refused at once, so that what remains is finding them, handing them out, and their rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.archive.runs import ArchiveRun, archive_run
from miniseg_edge.host.dependencies import require
from miniseg_edge.phantoms.series import write_series
from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.archive.engines.engine import PROCESSES, RAY
from miniseg_edge.runtimes.archive.engines.on_ray import MOST_AT_ONCE
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.slices.preprocessing import Window

SLICES = 40
WORKERS = 2
_SIDE = 64
_TOO_LITTLE = Bounds(memory_mb=1)
"""Less than a series needs, so it is refused by its entry in the index."""


@dataclass(frozen=True)
class Driver:
    """Processor time of the one process that hands out series, in seconds.

    Attributes:
        processes_s: for a series, if workers are its own processes.
        series_s, message_s: on Ray, for a series and for each message to a worker, which has one series or several.
        servers_s: of Ray's servers on the driver's machine, for a series in a message of its own.
    """

    processes_s: float
    series_s: float
    message_s: float
    servers_s: float

    def on_ray_s(self, at_once: int) -> float:
        """For a series, if a worker gets so many of them at a time."""
        return self.series_s + self.message_s / at_once


@dataclass(frozen=True)
class Refused:
    """Runs of the same series with two workers: processes, and Ray with one series in a message and with many."""

    processes: ArchiveRun
    single: ArchiveRun
    many: ArchiveRun

    def driver(self) -> Driver:
        """With `n` series in a message, a series takes `series_s + message_s / n`."""
        message_s = max(0.0, (self.single.driver_s - self.many.driver_s) / (1 - 1 / MOST_AT_ONCE))
        return Driver(
            processes_s=self.processes.driver_s,
            series_s=max(0.0, self.many.driver_s - message_s / MOST_AT_ONCE),
            message_s=message_s,
            servers_s=self.single.servers_s,
        )


def refused_runs(bundle: Path, folder: Path, series: int) -> Refused:
    """Writes the series into a folder, and runs them."""
    source = write_small(folder / "in", series)
    made = [
        archive_run(bundle, source, folder / name, executor, WORKERS, bounds=_TOO_LITTLE, ray=ray)
        for name, executor, ray in (
            ("processes", PROCESSES, None),
            ("single", RAY, RaySetting(at_once=1)),
            ("many", RAY, RaySetting(at_once=MOST_AT_ONCE)),
        )
    ]
    return Refused(*made)


def write_small(folder: Path, series: int) -> Path:
    """Series of small slices, which differ in their UID alone."""
    pydicom: Any = require("pydicom", "dicom")
    black = np.zeros((_SIDE, _SIDE), np.uint8)
    first = write_series(folder / f"{0:06d}", [black], SLICES, Window(-1000.0, 400.0))
    files = {path.name: path.read_bytes() for path in first.iterdir()}
    uid = pydicom.dcmread(first / min(files), stop_before_pixels=True).SeriesInstanceUID.encode()
    for number in range(1, series):
        own = b"2.25.1" + str(number).encode().zfill(len(uid) - len(b"2.25.1"))
        (folder / f"{number:06d}").mkdir()
        for name, content in files.items():
            (folder / f"{number:06d}" / name).write_bytes(content.replace(uid, own))
    return folder
