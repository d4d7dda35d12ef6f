"""Mixed traffic on a bundle for hours, with every mask checked; growth is monitored from outside.

Each artefact has one process for the whole time, and they take turns. After each turn, when no slice is in flight, the
process is inspected: resident memory, open handles, threads, and the time and processor time of a slice.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.benchmarks.statistics import FloatSamples, Growth, growth
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.errors import InferenceError
from miniseg_edge.measuring.process import MeasuringProcess

SOAK_SCHEMA_VERSION = 1
WARM_UP_SHARE = 0.5
"""Warm-up masks of a process, in which the allocators' pools of all threads fill."""

MIN_SETTLED = 8
"""Minimum turns after the warm-up for a statement about growth."""

MIN_TURNS = 24
"""Regardless of the requested duration."""

TURNS = 120
MIN_TURN_S, MAX_TURN_S = 0.25, 20.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Watched:
    """A quantity that must not grow.

    Attributes:
        name: as in `Sample`.
        title: with its unit, for display.
        allowed: tolerated rise over the settled part of a soak, in that unit.
        allowed_share: the same, as a share of the quantity; the larger of the two counts.
    """

    name: str
    title: str
    allowed: float
    allowed_share: float = 0.0


WATCHED = (
    Watched("memory_mb", "memory, MB", 5.0, 0.02),
    Watched("handles", "open handles", 1.0),
    Watched("threads", "threads", 1.0),
    Watched("latency_ms", "latency, ms", 1.0, 0.25),
    Watched("cpu_ms", "processor time a slice, ms", 1.0, 0.25),
)


@dataclass(frozen=True)
class Sample:
    """A process after a turn: seconds since the soak began, masks so far, and what is watched."""

    elapsed_s: float
    masks: int
    memory_mb: float
    handles: int
    threads: int
    latency_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Trend:
    """The trend of a watched quantity after the warm-up.

    Attributes:
        name: of the quantity.
        first, last: medians of the settled part's first and last fifth.
        per_1000: slope by Theil and Sen, in the quantity's unit per 1,000 masks.
        low, high: its 95 % interval.
        grows: whether the interval is above 0 and the rise is more than allowed.
    """

    name: str
    first: float
    last: float
    per_1000: float
    low: float
    high: float
    grows: bool


@dataclass(frozen=True)
class SoakResult:
    """One artefact's process.

    Attributes:
        name, runtime, precision: what ran.
        masks, wrong: checked, and those among them that were wrong.
        faults: bad inputs offered.
        complaints: what went wrong, as text; usually empty.
        reloads: of the bundle.
        trends: of what is watched.
        samples: one after each turn.
    """

    name: str
    runtime: str
    precision: str
    masks: int
    wrong: int
    faults: int
    complaints: tuple[str, ...]
    reloads: int
    trends: tuple[Trend, ...]
    samples: tuple[Sample, ...]

    @property
    def sound(self) -> bool:
        """Whether every mask was right, every fault got its error and nothing grew."""
        return not self.wrong and not self.complaints and not any(trend.grows for trend in self.trends)


@dataclass(frozen=True)
class SoakReport:
    """The file `soak.json`, schema 1. `hours` is the actual duration; an interrupted soak is a shorter one."""

    schema_version: int
    created: str
    bundle: str
    bundle_digest: str
    machine: Machine
    hours: float
    results: tuple[SoakResult, ...]

    @property
    def sound(self) -> bool:
        """Whether all results are."""
        return all(result.sound for result in self.results)


@dataclass
class _Course:
    """The measurements of one process so far."""

    configuration: Configuration
    worker: MeasuringProcess
    masks: int = 0
    wrong: int = 0
    faults: int = 0
    reloads: int = 0
    dead: bool = False
    complaints: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def turn(self, seconds: float, start: float) -> None:
        """One more turn, then an inspection of the process; one that dies is a finding and does not end the soak."""
        try:
            told: dict[str, Any] = self.worker.ask("turn", seconds=seconds)
        except InferenceError as error:
            self.dead = True
            self.complaints.append(str(error))
            return
        self.masks += told["masks"]
        self.wrong += told["wrong"]
        self.faults += told["faults"]
        self.reloads += told["reloads"]
        self.complaints += told["complaints"]
        process = psutil.Process(self.worker.pid)
        self.samples.append(
            Sample(
                elapsed_s=time.perf_counter() - start,
                masks=self.masks,
                memory_mb=process.memory_info().rss / 1e6,
                handles=_handles(process),
                threads=process.num_threads(),
                latency_ms=told["latency_ms"],
                cpu_ms=told["cpu_ms"],
            )
        )

    def result(self) -> SoakResult:
        """All of it, judged."""
        chosen, complaints = self.configuration, list(dict.fromkeys(self.complaints))
        trends = tuple(trend_of(self.samples, watched) for watched in WATCHED) if self.samples else ()
        turns = len(settled([(sample.masks, 0.0) for sample in self.samples]))
        if turns < MIN_SETTLED:
            complaints.append(f"{turns} turns after the warm-up are too few to say whether anything grows")
        return SoakResult(
            chosen.name, chosen.runtime, chosen.precision, self.masks, self.wrong, self.faults, tuple(complaints),
            self.reloads, trends, tuple(self.samples),
        )  # fmt: skip


def soak(configurations: Sequence[Configuration], hours: float, progress: Progress) -> list[SoakResult]:
    """Soaks artefacts in turns; if interrupted, returns the results so far.

    Args:
        configurations: artefacts of a bundle.
        hours: duration; at least `MIN_TURNS` turns of each.
        progress: called after each turn with the seconds done, and the total.

    Raises:
        InferenceError: an artefact cannot be opened.
    """
    total_s = hours * 3600.0
    turn_s = min(MAX_TURN_S, max(MIN_TURN_S, total_s / (TURNS * len(configurations))))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miniseg-soak-")))
        courses = []
        for index, configuration in enumerate(configurations):
            worker = stack.enter_context(MeasuringProcess("miniseg_edge.benchmarks.soak.turn", configuration.name))
            (folder / str(index)).mkdir()
            worker.ask("open", configuration=asdict(configuration), folder=str(folder / str(index)), seed=index)
            courses.append(_Course(configuration, worker))
        start = time.perf_counter()
        try:
            for index in itertools.count():
                if index >= MIN_TURNS and time.perf_counter() - start >= total_s:
                    break
                for course in (course for course in courses if not course.dead):
                    course.turn(turn_s, start)
                    progress(min(int(total_s), int(time.perf_counter() - start)), int(total_s))
                if all(course.dead for course in courses):
                    break
        except KeyboardInterrupt:
            pass
        return [course.result() for course in courses]


def trend_of(samples: Sequence[Sample], watched: Watched) -> Trend:
    """The trend of one quantity after the warm-up; one sample or more."""
    points = settled([(sample.masks, getattr(sample, watched.name)) for sample in samples])
    slope, values = slope_per_1000(points), points[:, 1]
    fifth = max(1, len(values) // 5)
    rise = slope.per_minute * float(points[-1, 0] - points[0, 0]) / 1000.0
    allowed = max(watched.allowed, watched.allowed_share * float(np.median(values)))
    return Trend(
        name=watched.name,
        first=float(np.median(values[:fifth])),
        last=float(np.median(values[-fifth:])),
        per_1000=slope.per_minute,
        low=slope.low,
        high=slope.high,
        grows=slope.grows and rise >= allowed,
    )


def settled(points: Sequence[tuple[float, float]]) -> FloatSamples:
    """(masks so far, value) after the warm-up, as an array (N, 2)."""
    found = [point for point in points if point[0] > WARM_UP_SHARE * points[-1][0]]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def slope_per_1000(points: FloatSamples) -> Growth:
    """Slope of (masks so far, value) per 1,000 masks: a "minute" of it is 1,000 masks."""
    return growth([points * (60.0 / 1000.0, 1.0)])


def _handles(process: psutil.Process) -> int:
    """Number of open files, sockets and so on; on Windows all handles."""
    name = "num_fds" if hasattr(process, "num_fds") else "num_handles"
    return int(getattr(process, name)())
