"""`report.json`: the result of `miniseg-bench run`. `docs/benchmark.md` describes each field."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.benchmarks.statistics import Distribution, Growth, Ratio
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.errors import InputError
from miniseg_edge.host.files import bytes_from_file

REPORT_SCHEMA_VERSION = 1
BUSY = 0.2
"""Share of the processors in use by other programs from which a report warns."""

MAX_REPORT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class SliceAccuracy:
    """One slice of one configuration against the reference: Dice, changed pixels, lesion pixels of both."""

    name: str
    dice: float
    changed_pixels: int
    lesion_pixels: int
    reference_lesion_pixels: int


@dataclass(frozen=True)
class StudyResult:
    """A CT series from its DICOM folder to a DICOM SEG on disk; one value per round, in ms.

    Attributes:
        slices: in the series.
        first_mask_ms, whole_ms: from opening the folder to the first mask, and to the end.
        inference_ms: inference alone on as many prepared slices, the mean of a turn before and one after.
    """

    slices: int
    first_mask_ms: tuple[float, ...]
    whole_ms: tuple[float, ...]
    inference_ms: tuple[float, ...]

    @property
    def times_inference(self) -> float:
        """How many times as long the whole takes as inference alone, the median of the rounds."""
        return statistics.median(a / b for a, b in zip(self.whole_ms, self.inference_ms, strict=True))


@dataclass(frozen=True)
class Result:
    """One configuration.

    Attributes:
        name: unique in the report; `ratios` refer to it.
        runtime, precision, artifact: what ran; `artifact` is a path in the bundle, or how the peer was made.
        p50_ms, p90_ms, p99_ms: end to end, single-stream; None if single-stream was not run.
        throughput_slices_per_s: offline if that was run, otherwise single-stream.
        peak_rss_mb: highest resident memory of the process, from its start.
        steady_rss_mb: median resident memory while it ran, after the warm-up.
        rss_growth_mb: its slope per minute, after the warm-up.
        dice_mean, dice_worst, changed_pixels: against the reference, over all slices.
        mean_iou: against labels, or None.
        ratio_to_baseline: p50 of the baseline over this p50; above 1 is faster; None without single-stream.
        latency: end to end; prepare, infer, finish: its three stages, in milliseconds.
        cold_start_s: from process start to the first mask, one value per start.
        load_ms: of each start, opening only: the runtime's package, the bundle, the network.
        first_inference_ms: of each start.
        warm_up_slices: segmented before anything was timed; not included in any other figure.
        cpu_s_per_slice: CPU seconds, user and system.
        offline_slices_per_s: each turn's throughput; empty if offline was not run.
        burst_first_ms, burst_last_ms: each volume's; empty if burst was not run.
        rounds_ms: end-to-end latencies by round, in order; nothing is dropped.
        slices: accuracy one by one.
        macs: multiplications by non-zero weights for one slice; 0 for peers.
        limit_ms: the time that these would take at the machine's limit; None if that is unknown.
        study: the burst from DICOM to DICOM SEG; None for peers, and if it was not run.
    """

    name: str
    runtime: str
    precision: str
    artifact: str
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    throughput_slices_per_s: float
    peak_rss_mb: float
    steady_rss_mb: float
    rss_growth_mb: Growth
    dice_mean: float
    dice_worst: float
    changed_pixels: int
    mean_iou: float | None
    ratio_to_baseline: float | None
    latency: Distribution | None
    prepare: Distribution | None
    infer: Distribution | None
    finish: Distribution | None
    cold_start_s: tuple[float, ...]
    load_ms: tuple[float, ...]
    first_inference_ms: tuple[float, ...]
    warm_up_slices: int
    cpu_s_per_slice: float
    offline_slices_per_s: tuple[float, ...]
    burst_first_ms: tuple[float, ...]
    burst_last_ms: tuple[float, ...]
    rounds_ms: tuple[tuple[float, ...], ...]
    slices: tuple[SliceAccuracy, ...]
    macs: int = 0
    limit_ms: float | None = None
    study: StudyResult | None = None

    @property
    def times_limit(self) -> float | None:
        """How many times longer the inference takes, by p50, than its arithmetic at the machine's limit."""
        return self.infer.p50_ms / self.limit_ms if self.infer and self.limit_ms else None


@dataclass(frozen=True)
class Limit:
    """The speed of a runtime's densest convolutions on this machine: 1e9 operations per second, one value per round."""

    runtime: str
    precision: str
    gflops: tuple[float, ...]


@dataclass(frozen=True)
class VendorBenchmark:
    """OpenVINO's own benchmark_app on our artefact: inference alone, no preprocessing, no mask.

    Attributes:
        result: the name of the Result it is compared with.
        command: as it was run.
        median_ms: its median latency, one value per round.
        overhead_ms: the median over rounds of our inference's p50, in the same loop, minus that.
        low_ms, high_ms: the 95 % interval of that median, or None of a single round.
    """

    result: str
    command: str
    median_ms: tuple[float, ...]
    overhead_ms: float
    low_ms: float | None = None
    high_ms: float | None = None


@dataclass(frozen=True)
class Machine:
    """Where it ran, without which absolute times are meaningless."""

    name: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Method:
    """How it was measured: seconds and samples of each configuration, and the number of turns."""

    scenarios: tuple[str, ...]
    rounds: int
    duration_s: float
    min_samples: int
    threads: int | None
    slices: tuple[str, ...]
    slice_size: str


@dataclass(frozen=True)
class Failure:
    """A configuration that could not be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        schema_version: 1.
        created: ISO 8601, UTC.
        bundle: name; bundle_digest: the manifest's.
        reference: what accuracy is judged against.
        baseline: name of the Result that `ratio_to_baseline` refers to.
        results: our artefacts; peers: alternatives without us.
        vendor_benchmarks: benchmark_app on our artefacts.
        ratios: every pair of configurations, faster over slower by p50.
        limits: of the machine, for each runtime and precision that ran.
        failures: what could not be measured.
        busy: share of the machine's processors that other programs took in the second before anything was measured,
            0..1.
    """

    schema_version: int
    created: str
    bundle: str
    bundle_digest: str
    machine: Machine
    method: Method
    reference: str
    baseline: str
    results: tuple[Result, ...]
    peers: tuple[Result, ...]
    vendor_benchmarks: tuple[VendorBenchmark, ...]
    ratios: tuple[Ratio, ...]
    failures: tuple[Failure, ...]
    limits: tuple[Limit, ...] = ()
    busy: float = 0.0

    @property
    def busy_remark(self) -> str:
        """A warning if other programs took so much that latencies are not the machine's; "" otherwise."""
        if self.busy < BUSY:
            return ""
        return (
            f"Other programs took {self.busy:.0%} of this machine's processors when the benchmark began. Latencies are "
            "longer than on a free machine; ratios are measured side by side."
        )

    @property
    def everything(self) -> tuple[Result, ...]:
        """Results, then peers."""
        return self.results + self.peers


def report_from_file(path: Path) -> Report:
    """Reads a report.json.

    Raises:
        InputError: it is missing, or not a report of this schema.
    """
    found = object_from_json(bytes_from_file(path, MAX_REPORT_BYTES, InputError), path.name, InputError)
    if found.get("schema_version") != REPORT_SCHEMA_VERSION:
        got = repr(found.get("schema_version"))
        raise InputError(
            f"{path.name} has an unsupported schema", expected=f"schema_version {REPORT_SCHEMA_VERSION}", got=got
        )
    return record_from_object(Report, found, path.name, InputError)
