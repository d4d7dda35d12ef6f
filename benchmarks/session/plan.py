"""What to measure, and how."""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.benchmarks.report import Method
from miniseg_edge.errors import UsageError
from miniseg_edge.slices.preprocessing import ByteArray

SINGLE_STREAM, OFFLINE, BURST = "single-stream", "offline", "burst"
SCENARIOS = (SINGLE_STREAM, OFFLINE, BURST)
MAX_ROUNDS = 1000


@dataclass(frozen=True)
class Schedule:
    """How long and how often each configuration is measured.

    Attributes:
        scenarios: of `SCENARIOS`.
        duration_s: of each configuration and scenario, all rounds together; above 0.
        rounds: turns, 2 to `MAX_ROUNDS`.
        min_samples: minimum single-stream samples of each configuration over all rounds, regardless of time.
        warm_up_s: of each turn.
        burst_slices: in a volume.
    """

    scenarios: tuple[str, ...] = (SINGLE_STREAM,)
    duration_s: float = 10.0
    rounds: int = 5
    min_samples: int = 100
    warm_up_s: float = 1.0
    burst_slices: int = 64

    def __post_init__(self) -> None:
        """Raises: UsageError."""
        if not (self.duration_s > 0 and 2 <= self.rounds <= MAX_ROUNDS):
            wanted = f"--duration above 0 and --rounds from 2 to {MAX_ROUNDS}"
            raise UsageError(
                "the measurement is invalid", expected=wanted, got=f"{self.duration_s:g} and {self.rounds}"
            )

    @property
    def turn_s(self) -> float:
        """Of one turn."""
        return self.duration_s / self.rounds


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        bundle: path of the bundle, whose preprocessing the peers share.
        slices: image files, in rotation.
        labels: label maps of the slices, or None.
        classes: of the network.
        schedule: how long and how often.
        streams: concurrent slices in offline and burst.
        series: DICOM folders of a few slices and of a whole CT for the burst from end to end, or None.
    """

    bundle: Path
    slices: tuple[Path, ...]
    labels: tuple[ByteArray, ...] | None
    classes: int
    schedule: Schedule
    streams: int = 1
    series: tuple[Path, Path] | None = None

    def method(self, threads: int | None, slice_size: str) -> Method:
        """For the report: runtimes with this many threads, on slices whose size is described."""
        schedule = self.schedule
        return Method(
            scenarios=schedule.scenarios,
            rounds=schedule.rounds,
            duration_s=schedule.duration_s,
            min_samples=schedule.min_samples,
            threads=threads,
            slices=tuple(path.stem for path in self.slices),
            slice_size=slice_size,
        )
