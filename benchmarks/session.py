"""A run: every configuration in a process of its own, in turns over several rounds, so that drift hits all alike."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.benchmarks.accuracy import Accuracy, accuracy
from miniseg_edge.benchmarks.configuration import ARTIFACT, Configuration
from miniseg_edge.benchmarks.process import WorkerProcess
from miniseg_edge.benchmarks.report import Failure, Result, StudyResult
from miniseg_edge.benchmarks.statistics import FloatSamples, Growth, distribution, growth
from miniseg_edge.errors import MiniSegError
from miniseg_edge.preprocessing import ByteArray

SINGLE_STREAM, OFFLINE, BURST = "single-stream", "offline", "burst"
SCENARIOS = (SINGLE_STREAM, OFFLINE, BURST)


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        bundle: path of the bundle, whose preprocessing the peers share.
        slices: image files, in rotation.
        labels: label maps of the slices, or None.
        classes: of the network.
        scenarios: of `SCENARIOS`.
        duration_s: of each configuration and scenario, all rounds together.
        rounds: turns.
        min_samples: single-stream samples of each configuration, all rounds together, however long they take.
        warm_up_s: before the first round.
        burst_slices: in a volume.
        streams: slices in flight in offline and burst.
        series: DICOM folders of a few slices and of a whole CT for the burst from end to end, or None.
    """

    bundle: Path
    slices: tuple[Path, ...]
    labels: tuple[ByteArray, ...] | None
    classes: int
    scenarios: tuple[str, ...]
    duration_s: float
    rounds: int = 5
    min_samples: int = 100
    warm_up_s: float = 1.0
    burst_slices: int = 64
    streams: int = 1
    series: tuple[Path, Path] | None = None


@dataclass
class Measurement:
    """What is known so far of one configuration; filled turn by turn."""

    configuration: Configuration
    cold_start_s: list[float] = field(default_factory=list)
    first_inference_ms: list[float] = field(default_factory=list)
    warm_up_slices: int = 0
    stages_ms: list[FloatSamples] = field(default_factory=list)
    memory_mb: list[FloatSamples] = field(default_factory=list)
    cpu_s: float = 0.0
    counted: int = 0
    offline_slices_per_s: list[float] = field(default_factory=list)
    burst_first_ms: list[float] = field(default_factory=list)
    burst_last_ms: list[float] = field(default_factory=list)
    studies: list[dict[str, Any]] = field(default_factory=list)
    peak_mb: float = 0.0
    masks: list[ByteArray] = field(default_factory=list)

    @property
    def rounds_ms(self) -> list[FloatSamples]:
        """End-to-end latencies by round."""
        return [stages.sum(axis=1) for stages in self.stages_ms]

    @property
    def busy_s(self) -> float:
        """Seconds that single-stream took, all rounds together."""
        return float(sum(samples.sum() for samples in self.rounds_ms)) / 1e3

    @property
    def memory_growth(self) -> Growth:
        """Slope of the resident memory in MB per minute of single-stream, within each process."""
        return growth(self.memory_mb)


@dataclass(frozen=True)
class Session:
    """All measurements of a run, in the order of the configurations, and what failed."""

    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...]


def measure(configurations: Sequence[Configuration], plan: Plan) -> Session:
    """Runs every scenario of the plan. A configuration that fails is out, with its reason; the others go on.

    Each turn is a new process, and there is never more than one: two processes of one program differ by a few
    percent in speed, by where their memory happens to lie, and a single one would pass that off as a difference
    between configurations (Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!", 2009).
    """
    failures: list[Failure] = []
    found = {c.name: Measurement(c) for c in configurations}
    names = list(found)
    for scenario in plan.scenarios:
        turns = [name for index in range(plan.rounds) for name in _order(names, index)]
        for name in terminal.track(turns, f"{scenario}, {plan.rounds} rounds"):
            if name not in found:
                continue
            try:
                _turn(scenario, found[name], plan)
            except MiniSegError as error:
                failures.append(Failure(name, str(error)))
                del found[name]
    return Session(tuple(found.values()), tuple(failures))


def _order(names: list[str], index: int) -> list[str]:
    """Another configuration begins each round, so that none always follows the same one."""
    start = index % max(1, len(names))
    return names[start:] + names[:start]


def _turn(scenario: str, measurement: Measurement, plan: Plan) -> None:
    """One process: cold start, warm-up, the scenario; the first one also gives the masks."""
    streams = 1 if scenario == SINGLE_STREAM else plan.streams
    with WorkerProcess(measurement.configuration, plan.bundle, list(plan.slices), streams) as worker:
        if scenario == SINGLE_STREAM:
            measurement.cold_start_s.append(worker.cold_start_s)
            measurement.first_inference_ms.append(float(worker.opening["first_inference_ms"]))
        measurement.warm_up_slices += int(worker.ask("warm_up", seconds=plan.warm_up_s)["slices"])
        _measured(scenario, worker, measurement, plan)
        measurement.peak_mb = max(measurement.peak_mb, float(worker.ask("memory")["peak_mb"]))
        if not measurement.masks:
            measurement.masks = masks_of(worker)


def masks_of(worker: WorkerProcess) -> list[ByteArray]:
    """A worker's masks of all its slices, in their order. Raises: InferenceError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "masks.npz"
        worker.ask("masks", path=str(path))
        with np.load(path, allow_pickle=False) as saved:
            return [np.asarray(saved[name], dtype=np.uint8) for name in saved.files]


def _measured(scenario: str, worker: WorkerProcess, measurement: Measurement, plan: Plan) -> None:
    seconds = plan.duration_s / plan.rounds
    if scenario == OFFLINE:
        answer = worker.ask("offline", seconds=seconds)
        measurement.offline_slices_per_s.append(answer["slices"] / answer["wall_s"])
        measurement.counted += answer["slices"]
        measurement.cpu_s += answer["cpu_s"]
    elif scenario == BURST:
        answer = worker.ask("burst", count=plan.burst_slices)
        measurement.burst_first_ms.append(answer["first_ms"])
        measurement.burst_last_ms.append(answer["last_ms"])
        if plan.series is not None and measurement.configuration.kind == ARTIFACT:
            few, series = map(str, plan.series)
            with tempfile.TemporaryDirectory() as output:
                answer = worker.ask("study_burst", few=few, series=series, output=output)
            measurement.studies.append(answer)
    else:
        samples = -(-plan.min_samples // plan.rounds)
        answer = worker.ask("single_stream", seconds=seconds, min_samples=samples)
        measurement.stages_ms.append(np.array(answer["stages_ms"], dtype=np.float64))
        measurement.memory_mb.append(np.array(answer["memory_mb"], dtype=np.float64).reshape(-1, 2))
        measurement.counted += len(answer["stages_ms"])
        measurement.cpu_s += answer["cpu_s"]


def result_from_measurement(
    measurement: Measurement, plan: Plan, reference: Sequence[ByteArray], baseline: Measurement
) -> Result:
    """The report's row: summaries of all samples, and accuracy against the reference's masks."""
    names = [path.stem for path in plan.slices]
    found: Accuracy = accuracy(names, measurement.masks, reference, plan.labels, plan.classes)
    configuration = measurement.configuration
    rounds = measurement.rounds_ms
    latency = distribution(np.concatenate(rounds)) if rounds else None
    stages = (
        [distribution(np.concatenate([s[:, i] for s in measurement.stages_ms])) for i in range(3)] if rounds else []
    )
    resident = np.concatenate([series[:, 1] for series in measurement.memory_mb] or [np.empty(0)])
    return Result(
        name=configuration.name,
        runtime=configuration.runtime,
        precision=configuration.precision,
        artifact=configuration.artifact,
        p50_ms=latency.p50_ms if latency else None,
        p90_ms=latency.p90_ms if latency else None,
        p99_ms=latency.p99_ms if latency else None,
        throughput_slices_per_s=_throughput(measurement, plan),
        peak_rss_mb=measurement.peak_mb,
        steady_rss_mb=float(np.median(resident)) if len(resident) else measurement.peak_mb,
        rss_growth_mb=measurement.memory_growth,
        dice_mean=found.dice_mean,
        dice_worst=found.dice_worst,
        changed_pixels=found.changed_pixels,
        mean_iou=found.mean_iou,
        ratio_to_baseline=_ratio(baseline, measurement),
        latency=latency,
        prepare=stages[0] if stages else None,
        infer=stages[1] if stages else None,
        finish=stages[2] if stages else None,
        cold_start_s=tuple(measurement.cold_start_s),
        first_inference_ms=tuple(measurement.first_inference_ms),
        warm_up_slices=measurement.warm_up_slices,
        cpu_s_per_slice=measurement.cpu_s / measurement.counted if measurement.counted else 0.0,
        offline_slices_per_s=tuple(measurement.offline_slices_per_s),
        burst_first_ms=tuple(measurement.burst_first_ms),
        burst_last_ms=tuple(measurement.burst_last_ms),
        rounds_ms=tuple(tuple(float(f"{ms:.4f}") for ms in samples) for samples in rounds),
        slices=found.slices,
        study=_study(measurement.studies),
    )


def _study(turns: Sequence[Mapping[str, Any]]) -> StudyResult | None:
    if not turns:
        return None
    return StudyResult(
        slices=int(turns[0]["slices"]),
        first_mask_ms=tuple(float(turn["first_mask_ms"]) for turn in turns),
        whole_ms=tuple(float(turn["whole_ms"]) for turn in turns),
        inference_ms=tuple(float(np.mean(turn["inference_ms"])) for turn in turns),
    )


def _throughput(measurement: Measurement, plan: Plan) -> float:
    if measurement.offline_slices_per_s:
        return float(np.median(measurement.offline_slices_per_s))
    if measurement.stages_ms:
        return sum(len(stages) for stages in measurement.stages_ms) / measurement.busy_s
    return float(np.median([plan.burst_slices * 1e3 / ms for ms in measurement.burst_last_ms]))


def _ratio(baseline: Measurement, measurement: Measurement) -> float | None:
    if not baseline.stages_ms or not measurement.stages_ms:
        return None
    ours, theirs = np.concatenate(measurement.rounds_ms), np.concatenate(baseline.rounds_ms)
    return float(np.median(theirs) / np.median(ours))
