"""Counts of rows, in memory that does not grow with them: it grows with workers and hours alone."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from miniseg_edge.runtimes.archive.row import DONE, Row

PARTS = ("fetching", "opening", "segmenting", "writing", "other work", "between series")
"""Parts of a worker's time."""

FETCHING, OPENING, SEGMENTING, WRITING, OTHER, WAITING = PARTS

EXAMPLES = 3
"""Keys that are kept of the series with one code."""

TICK_S = 10
"""Seconds by which throughput is counted."""

VOLUMES_ML = tuple(10 ** (step / 2) for step in range(-2, 7))
"""Limits of the classes of lesion volumes, two per decade: 0.1, 0.32, 1, ... 1000. The first class is "none"."""


@dataclass
class WorkerTally:
    """What one worker did.

    Attributes:
        series, slices: that it did.
        busy_s: seconds in its series.
        first_s, last_s: when its first series began and its last ended, in seconds since 1970.
        runs_on: runtime and device of a series that it segmented, "" if there is none.
    """

    series: int = 0
    slices: int = 0
    busy_s: float = 0.0
    first_s: float = math.inf
    last_s: float = -math.inf
    runs_on: str = ""

    @property
    def waiting_s(self) -> float:
        """Seconds between its series."""
        return max(0.0, self.last_s - self.first_s - self.busy_s)

    @property
    def slices_per_s(self) -> float:
        """While it was in a series."""
        return self.slices / self.busy_s if self.busy_s else 0.0


@dataclass
class Tally:
    """What rows come to.

    Attributes:
        series, slices, bytes: in all.
        statuses: series by status.
        codes: series by status and error code.
        examples: the first keys of each.
        ticks: slices by the time at which their series was finished, in `TICK_S` since 1970.
        volumes: segmented series by class: 0 without a lesion, then those of `VOLUMES_ML`, then larger ones.
        workers: by name.
    """

    series: int = 0
    slices: int = 0
    bytes: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    ticks: Counter[int] = field(default_factory=Counter)
    volumes: Counter[int] = field(default_factory=Counter)
    workers: defaultdict[str, WorkerTally] = field(default_factory=lambda: defaultdict(WorkerTally))
    _parts: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Counts a row."""
        self.series += 1
        self.slices += row.slices
        self.bytes += row.bytes
        self.statuses[row.status] += 1
        if row.status != DONE:
            kind = row.status, row.error_code or ""
            self.codes[kind] += 1
            if len(self.examples[kind]) < EXAMPLES:
                self.examples[kind].append(row.key)
        if row.lesion_volume_ml is not None:
            self.volumes[_class(row.lesion_volume_ml)] += 1
        self._parts.update(parts_of(row))
        ended_s = datetime.fromisoformat(row.created).astimezone(timezone.utc).timestamp()
        self.ticks[int(ended_s // TICK_S)] += row.slices
        worker = self.workers[row.worker]
        worker.series += 1
        worker.slices += row.slices
        worker.busy_s += row.seconds
        worker.first_s = min(worker.first_s, ended_s - row.seconds)
        worker.last_s = max(worker.last_s, ended_s)
        if row.runtime is not None:
            worker.runs_on = f"{row.runtime} on {row.device}"

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of all workers by part, in the order of `PARTS`."""
        waiting_s = sum(worker.waiting_s for worker in self.workers.values())
        return {part: waiting_s if part == WAITING else self._parts[part] for part in PARTS}

    @property
    def limit(self) -> str | None:
        """The part that takes the most of the workers' time; None if there is none."""
        parts = self.parts
        return max(PARTS, key=lambda part: parts[part]) if any(parts.values()) else None


def parts_of(row: Row) -> dict[str, float]:
    """Seconds of a series by part, without those between series."""
    spent = (row.fetch_s, row.open_s, row.segment_s, row.write_s)
    return dict(zip(PARTS, (*spent, max(0.0, row.seconds - sum(spent))), strict=False))


def tally_of(rows: Iterable[Row]) -> Tally:
    """Counts rows."""
    found = Tally()
    for row in rows:
        found.add(row)
    return found


def _class(volume_ml: float) -> int:
    if volume_ml <= 0:
        return 0
    return 1 + sum(volume_ml >= limit for limit in VOLUMES_ML)
