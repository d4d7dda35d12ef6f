"""The cost of an archive: slices per second with one worker and with two, and the time of each step of a series.

The archive consists of phantoms. Steps that workers do in parallel and steps that they share are measured separately,
so that `scaling` can extrapolate to more workers.
"""

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from miniseg_edge.benchmarks.archive.parts import Parts, measure_parts
from miniseg_edge.benchmarks.archive.refused import refused_runs
from miniseg_edge.benchmarks.archive.runs import ArchiveRun, archive_run
from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import UsageError
from miniseg_edge.phantoms import phantom
from miniseg_edge.phantoms.series import write_series
from miniseg_edge.runtimes.archive.engines.engine import PROCESSES, RAY

ARCHIVE_SCHEMA_VERSION = 2
WORKERS = (1, 2)
PHANTOMS = 8
REFUSED_SERIES = 500


@dataclass(frozen=True)
class Pace:
    """One executor with one number of workers: medians of its rounds.

    Attributes:
        slices_per_s: from the start of the first worker's first series to the last row.
        efficiency: slices per second and worker, relative to a single worker with the same executor.
        start_s: time of the whole call that is neither finding nor work: starting and ending processes, Ray and
            engines.
        outside_s: a worker's time between series, per series.
    """

    executor: str
    workers: int
    slices_per_s: float
    efficiency: float
    start_s: float
    outside_s: float


@dataclass(frozen=True)
class ArchiveMeasurement:
    """The file `archive.json`."""

    schema_version: int
    created: str
    bundle: str
    bundle_digest: str
    machine: Machine
    series: int
    rounds: int
    paces: tuple[Pace, ...]
    parts: Parts


def measure_archive(
    bundle: Path, opened: Bundle, *, series: int, slices: int, rounds: int, progress: Callable[[int, int], None]
) -> tuple[tuple[Pace, ...], Parts]:
    """Runs every executor with every number of workers, in turns, `rounds` times; then measures single steps."""
    window, size = opened.manifest.preprocessing.window, opened.manifest.preprocessing.size
    if window is None or opened.manifest.interface.channels != 1:
        raise UsageError(
            "the archive benchmark needs grey slices in HU",
            expected="a bundle with a --window, of one channel",
            got="another",
        )
    turns = list(itertools.product((PROCESSES, RAY), WORKERS)) * rounds
    steps = len(turns) + 2
    with tempfile.TemporaryDirectory(prefix="miniseg-archive-") as folder:
        root = Path(folder)
        pictures = [phantom(index, size).image for index in range(PHANTOMS)]
        for number in range(series):
            write_series(root / "in" / f"{number:04d}", pictures[number % PHANTOMS :] + pictures, slices, window)
        found: dict[tuple[str, int], list[ArchiveRun]] = {turn: [] for turn in turns}
        for index, turn in enumerate(turns):
            found[turn].append(archive_run(bundle, root / "in", root / f"out-{index}", *turn))
            progress(index + 1, steps)
        refused = refused_runs(bundle, root / "refused", REFUSED_SERIES)
        progress(len(turns) + 1, steps)
        parts = measure_parts(bundle, root / "in" / "0000", root / "out-0", found[PROCESSES, 1], refused)
        progress(steps, steps)
    return tuple(_pace(found, *turn) for turn in dict.fromkeys(turns)), parts


def _pace(found: dict[tuple[str, int], list[ArchiveRun]], executor: str, workers: int) -> Pace:
    runs, alone = found[executor, workers], found[executor, 1]
    rate = median(run.slices_per_s for run in runs)
    return Pace(
        executor=executor,
        workers=workers,
        slices_per_s=rate,
        efficiency=rate / workers / median(run.slices_per_s for run in alone),
        start_s=median(run.start_s for run in runs),
        outside_s=median(run.outside_s for run in runs),
    )
