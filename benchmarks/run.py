"""A whole benchmark: what to measure is found out, measured, and put into a report."""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.benchmarks.configuration import ARTIFACT, Configuration
from miniseg_edge.benchmarks.html import Disagreement
from miniseg_edge.benchmarks.limit import RUNTIMES, measured_gflops
from miniseg_edge.benchmarks.machine import this_machine
from miniseg_edge.benchmarks.peers import BASELINE, CUDA_BASELINE, PeerFiles, make_peers
from miniseg_edge.benchmarks.process import WorkerProcess
from miniseg_edge.benchmarks.report import (
    REPORT_SCHEMA_VERSION,
    Failure,
    Limit,
    Method,
    Report,
    Result,
    VendorBenchmark,
)
from miniseg_edge.benchmarks.session import (
    BURST,
    SINGLE_STREAM,
    Measurement,
    Plan,
    masks_of,
    measure,
    result_from_measurement,
)
from miniseg_edge.benchmarks.statistics import Ratio, median_difference, ratio
from miniseg_edge.benchmarks.study_burst import write_series
from miniseg_edge.benchmarks.vendor import benchmark_app_command, benchmark_app_median_ms
from miniseg_edge.bundle import Bundle, open_bundle
from miniseg_edge.errors import (
    InferenceError,
    InputError,
    MiniSegError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from miniseg_edge.images import image_paths, label_from_file, slice_from_file
from miniseg_edge.manifest import Artifact
from miniseg_edge.phantoms import main as write_phantoms
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes.registry import REGISTRY, entry_named

PHANTOMS = 8
PHANTOM_FIRST_SEED = 9300
WORST_SHOWN = 3
WARM_UP_SLICES, CT_SLICES = 8, 300


@dataclass(frozen=True)
class BenchmarkRequest:
    """What is asked for.

    Attributes:
        bundle: path.
        runtimes: names, or empty for every one that can serve the bundle here.
        scenarios: of `session.SCENARIOS`.
        peers: whether to measure them too.
        slices, labels: image and label folders, or None for phantoms.
        calibration: folder of slices for the INT8 peers, or None for those that are measured.
        threads: of each runtime, or None for its default.
        duration_s: of each configuration and scenario.
        rounds: turns.
        configurations: more of them, for the instrument's self-check.
        vendor_rounds: turns with benchmark_app at the least; a small difference needs many pairs of processes.
    """

    bundle: Path
    runtimes: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = (SINGLE_STREAM,)
    peers: bool = False
    slices: Path | None = None
    labels: Path | None = None
    calibration: Path | None = None
    threads: int | None = None
    duration_s: float = 10.0
    rounds: int = 5
    configurations: tuple[Configuration, ...] = ()
    vendor_rounds: int = 10


@dataclass(frozen=True)
class Benchmark:
    """The report, and the slices on which configurations disagree most with the reference."""

    report: Report
    disagreements: tuple[Disagreement, ...]


def run_benchmark(request: BenchmarkRequest) -> Benchmark:
    """Measures everything that was asked for.

    Raises:
        BundleError and its kin, InputError and its kin: before anything is measured.
        RuntimeUnavailableError: nothing in the bundle can run here.
        InferenceError: nothing could be measured.
    """
    bundle = open_bundle(request.bundle)
    artifacts = [*artifacts_of(request, bundle), *request.configurations]
    with tempfile.TemporaryDirectory(prefix="miniseg-bench-") as folder:
        slices, labels = _slices(request, bundle, Path(folder))
        series, no_series = _series(request, bundle, slices, Path(folder))
        plan = Plan(
            bundle=request.bundle,
            slices=slices,
            labels=labels,
            classes=bundle.manifest.network.classes,
            scenarios=request.scenarios,
            duration_s=request.duration_s,
            rounds=request.rounds,
            streams=this_machine().cores,
            series=series,
        )
        reference = reference_masks(bundle, artifacts, plan)
        peers, failures = _peers(request, bundle, slices, Path(folder))
        session = measure([*artifacts, *peers], plan)
        measured = {m.configuration.name: m for m in session.measurements}
        if not measured:
            raise InferenceError("nothing could be measured", "a result", "; ".join(f.reason for f in session.failures))
        vendor, vendor_failures = _vendor_figures(request, bundle, plan, measured)
        limits, limit_failures = _limits(request, plan, measured)
        failures = (*no_series, *failures, *session.failures, *vendor_failures, *limit_failures)
        report = _report(request, bundle, plan, reference, measured, vendor, failures, limits)
        return Benchmark(report, _disagreements(measured, reference, report, plan))


def artifacts_of(request: BenchmarkRequest, bundle: Bundle) -> list[Configuration]:
    """A configuration for each artefact of each runtime asked for or at hand; the reference only if asked for.

    Raises:
        RuntimeUnavailableError: one that was asked for, or all, cannot serve the bundle here.
    """
    wanted = [entry_named(name) for name in request.runtimes] or [e for e in REGISTRY if not e.reference]
    found, obstacles = [], []
    for entry in wanted:
        if (obstacle := entry.obstacle(bundle)) is not None:
            obstacles.append(f"{entry.name}: {obstacle}")
            continue
        found += [
            Configuration(
                f"{entry.name} {artifact.precision}",
                ARTIFACT,
                entry.name,
                artifact.precision,
                str(request.bundle),
                artifact.files[0],
                request.threads,
            )
            for artifact in bundle.manifest.artifacts
            if artifact.target == entry.target
        ]
    if not found or (request.runtimes and obstacles):
        raise RuntimeUnavailableError(
            "not every runtime asked for can serve this bundle here", "", "; ".join(obstacles)
        )
    return found


def _slices(
    request: BenchmarkRequest, bundle: Bundle, folder: Path
) -> tuple[tuple[Path, ...], tuple[ByteArray, ...] | None]:
    """The user's slices and labels, or phantoms; all read once, so that a broken one is found now."""
    if request.slices is None:
        write_phantoms([str(folder), "--count", str(PHANTOMS), "--first-seed", str(PHANTOM_FIRST_SEED)])
        return tuple(image_paths(folder / "images")), None
    paths = image_paths(request.slices)
    channels = bundle.manifest.interface.channels
    shapes = [slice_from_file(path, channels).shape[:2] for path in paths]
    if request.labels is None:
        return tuple(paths), None
    by_stem = {path.stem: path for path in image_paths(request.labels)}
    if missing := [path.stem for path in paths if path.stem not in by_stem]:
        raise UsageError("slices without a label", "a label of the same stem for each", ", ".join(missing[:12]))
    classes = bundle.manifest.network.classes
    labels = tuple(label_from_file(by_stem[path.stem], classes) for path in paths)
    for path, shape, label in zip(paths, shapes, labels, strict=True):
        if label.shape != shape:
            raise InputError(f"the label of {path.stem} has another size", str(shape), str(label.shape))
    return tuple(paths), labels


def _series(
    request: BenchmarkRequest, bundle: Bundle, slices: Sequence[Path], folder: Path
) -> tuple[tuple[Path, Path] | None, tuple[Failure, ...]]:
    """DICOM series of the slices for the burst from end to end: a few for the warm-up, and a whole CT."""
    if BURST not in request.scenarios:
        return None, ()
    window, channels = bundle.manifest.preprocessing.window, bundle.manifest.interface.channels
    if window is None or channels != 1:
        return None, (Failure("the burst from DICOM", "the bundle has no window, or takes no grey slices"),)
    images = [slice_from_file(path) for path in slices]
    alike = [image for image in images if image.shape == images[0].shape]
    try:
        with terminal.step("a CT series for the burst"):
            counts = (("few", WARM_UP_SLICES), ("ct", CT_SLICES))
            few, series = (write_series(folder / name, alike, count, window) for name, count in counts)
    except MissingDependencyError as error:
        return None, (Failure("the burst from DICOM", str(error)),)
    return (few, series), ()


@dataclass(frozen=True)
class Reference:
    """What accuracy is judged against, in words, and its masks in the order of the slices."""

    description: str
    masks: tuple[ByteArray, ...]


def reference_masks(bundle: Bundle, artifacts: Sequence[Configuration], plan: Plan) -> Reference:
    """The FP32 torch network's masks where torch is installed, else those of the first FP32 artefact.

    Raises:
        InferenceError: it failed.
        RuntimeUnavailableError: neither torch nor an FP32 artefact is at hand.
    """
    entry = next(entry for entry in REGISTRY if entry.reference)
    if entry.obstacle(bundle) is None:
        chosen = Configuration("reference", ARTIFACT, entry.name, "fp32", str(plan.bundle))
        description = "the FP32 network in torch"
    elif fp32 := next((c for c in artifacts if c.precision == "fp32"), None):
        chosen, description = fp32, f"{fp32.name} (torch is not installed here)"
    else:
        raise RuntimeUnavailableError("nothing here can say what the right masks are", "torch or an FP32 artefact", "")
    with (
        terminal.step(f"reference masks: {description}"),
        WorkerProcess(chosen, plan.bundle, list(plan.slices)) as worker,
    ):
        return Reference(description, tuple(masks_of(worker)))


def _peers(
    request: BenchmarkRequest, bundle: Bundle, slices: Sequence[Path], folder: Path
) -> tuple[list[Configuration], tuple[Failure, ...]]:
    if not request.peers:
        return [], ()
    calibration = slices if request.calibration is None else image_paths(request.calibration)
    with terminal.step("making the peers"):
        made, failed = make_peers(PeerFiles(bundle, request.bundle, folder, calibration, request.threads))
    return made, tuple(failed)


def _vendor_figures(
    request: BenchmarkRequest, bundle: Bundle, plan: Plan, measured: Mapping[str, Measurement]
) -> tuple[tuple[VendorBenchmark, ...], tuple[Failure, ...]]:
    """benchmark_app and our own runtime on the same artefacts, in turns: what our runtime costs on top."""
    found, failures = [], []
    for artifact in bundle.manifest.artifacts:
        name = f"openvino {artifact.precision}"
        if not request.peers or artifact.target != "openvino" or name not in measured:
            continue
        if SINGLE_STREAM not in request.scenarios:
            continue
        try:
            found.append(_vendor_benchmark(request, artifact, plan, measured[name].configuration))
        except MiniSegError as error:
            failures.append(Failure(f"OpenVINO benchmark_app on {name}", str(error)))
    return tuple(found), tuple(failures)


def _vendor_benchmark(
    request: BenchmarkRequest, artifact: Artifact, plan: Plan, configuration: Configuration
) -> VendorBenchmark:
    model, seconds = request.bundle / artifact.files[0], plan.duration_s / plan.rounds
    theirs, ours = [], []
    for _ in terminal.track(range(max(plan.rounds, request.vendor_rounds)), f"benchmark_app and {configuration.name}"):
        theirs.append(benchmark_app_median_ms(model, artifact.precision, request.threads, seconds))
        with WorkerProcess(configuration, plan.bundle, list(plan.slices)) as worker:
            worker.ask("warm_up", seconds=plan.warm_up_s)
            ours.append(float(np.median(worker.ask("inference", seconds=seconds)["infer_ms"])))
    command = benchmark_app_command(
        Path(artifact.files[0]), artifact.precision, request.threads, seconds, Path("FOLDER")
    )
    words, overhead = " ".join(["benchmark_app", *command[1:]]), median_difference(ours, theirs)
    return VendorBenchmark(configuration.name, words, tuple(theirs), overhead.ms, overhead.low_ms, overhead.high_ms)


def _limits(
    request: BenchmarkRequest, plan: Plan, measured: Mapping[str, Measurement]
) -> tuple[tuple[Limit, ...], tuple[Failure, ...]]:
    """The machine's limit for each runtime and precision of ours that ran, in turns."""
    ours = [m.configuration for m in measured.values() if m.configuration.kind == ARTIFACT]
    kinds = dict.fromkeys((c.runtime, c.precision) for c in ours if c.precision in RUNTIMES.get(c.runtime, ()))
    found: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    failures: list[Failure] = []
    for kind in terminal.track([kind for _ in range(plan.rounds) for kind in kinds], "the machine's own limit"):
        try:
            found[kind].append(measured_gflops(*kind, request.threads, plan.duration_s / plan.rounds / 2))
        except MiniSegError as error:
            failures.append(Failure(f"the limit of {' '.join(kind)}", str(error)))
    limits = tuple(Limit(*kind, tuple(gflops)) for kind, gflops in found.items() if gflops)
    return limits, tuple(failures)


def _with_limit(result: Result, bundle: Bundle, limits: Sequence[Limit]) -> Result:
    artifact = next((a for a in bundle.manifest.artifacts if a.files[0] == result.artifact), None)
    limit = next((x for x in limits if (x.runtime, x.precision) == (result.runtime, result.precision)), None)
    if artifact is None or not artifact.macs or limit is None:
        return result
    return replace(result, macs=artifact.macs, limit_ms=2e-6 * artifact.macs / float(np.median(limit.gflops)))


def _report(  # noqa: PLR0917  all of them are what a report is made of
    request: BenchmarkRequest,
    bundle: Bundle,
    plan: Plan,
    reference: Reference,
    measured: Mapping[str, Measurement],
    vendor: tuple[VendorBenchmark, ...],
    failures: tuple[Failure, ...],
    limits: tuple[Limit, ...],
) -> Report:
    baseline = next(measured[n] for n in (CUDA_BASELINE, BASELINE, *measured) if n in measured)
    rows = {n: result_from_measurement(m, plan, reference.masks, baseline) for n, m in measured.items()}
    ours = {name for name, m in measured.items() if m.configuration.kind == ARTIFACT}
    sizes = {f"{mask.shape[0]} x {mask.shape[1]}" for mask in reference.masks}
    return Report(
        schema_version=REPORT_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=this_machine(),
        method=Method(
            scenarios=request.scenarios,
            rounds=plan.rounds,
            duration_s=plan.duration_s,
            min_samples=plan.min_samples,
            threads=request.threads,
            slices=tuple(path.stem for path in plan.slices),
            slice_size=", ".join(sorted(sizes)),
        ),
        reference=reference.description,
        baseline=baseline.configuration.name,
        results=tuple(_with_limit(row, bundle, limits) for name, row in rows.items() if name in ours),
        peers=tuple(row for name, row in rows.items() if name not in ours),
        vendor_benchmarks=vendor,
        ratios=_ratios(measured),
        failures=failures,
        limits=limits,
    )


def _ratios(measured: Mapping[str, Measurement]) -> tuple[Ratio, ...]:
    """Every pair, the faster over the slower."""
    timed = [(name, m.rounds_ms) for name, m in measured.items() if m.stages_ms]
    timed.sort(key=lambda pair: float(np.median(np.concatenate(pair[1]))))
    return tuple(ratio(a, ours, b, theirs) for (a, ours), (b, theirs) in itertools.combinations(timed, 2))


def _disagreements(
    measured: Mapping[str, Measurement], reference: Reference, report: Report, plan: Plan
) -> tuple[Disagreement, ...]:
    """The worst slices of each configuration that differs from the reference at all."""
    found = []
    for result in report.everything:
        ranked = sorted(
            range(len(result.slices)), key=lambda i: (result.slices[i].dice, -result.slices[i].changed_pixels)
        )
        for index in ranked[:WORST_SHOWN]:
            judged = result.slices[index]
            if judged.changed_pixels:
                image, mask = slice_from_file(plan.slices[index]), measured[result.name].masks[index]
                found.append(
                    Disagreement(
                        result=result.name,
                        slice_name=judged.name,
                        image=image,
                        reference=reference.masks[index],
                        artifact=mask,
                        dice=judged.dice,
                        changed_pixels=judged.changed_pixels,
                    )
                )
    return tuple(found)
