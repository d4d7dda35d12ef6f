"""Plan, run and report a benchmark."""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.hardware import busy_share, this_machine
from miniseg_edge.benchmarks.html import Disagreement
from miniseg_edge.benchmarks.peers.peer import PeerFiles
from miniseg_edge.benchmarks.peers.table import BASELINES, make_peers
from miniseg_edge.benchmarks.report import (
    REPORT_SCHEMA_VERSION,
    Failure,
    Limit,
    Report,
    Result,
    VendorBenchmark,
)
from miniseg_edge.benchmarks.run.inputs import series_of, slices_of
from miniseg_edge.benchmarks.run.limit import limits_of
from miniseg_edge.benchmarks.run.reference import Reference, reference_masks
from miniseg_edge.benchmarks.run.request import BenchmarkRequest, artifacts_of
from miniseg_edge.benchmarks.run.vendor import vendor_figures
from miniseg_edge.benchmarks.session.measurement import Measurement
from miniseg_edge.benchmarks.session.plan import Plan
from miniseg_edge.benchmarks.session.result import result_from_measurement
from miniseg_edge.benchmarks.session.session import measure
from miniseg_edge.benchmarks.statistics import Ratio, ratio
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import InferenceError
from miniseg_edge.slices.images import image_paths, slice_from_file

WORST_SHOWN = 3


@dataclass(frozen=True)
class Benchmark:
    """The report, and the slices with the largest disagreement with the reference."""

    report: Report
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class _Measured:
    """The parts of a report; `turns` by the name of the configuration."""

    turns: Mapping[str, Measurement]
    reference: Reference
    vendor: tuple[VendorBenchmark, ...]
    limits: tuple[Limit, ...]
    failures: tuple[Failure, ...]


def run_benchmark(request: BenchmarkRequest) -> Benchmark:
    """Measures everything requested.

    Raises:
        BundleError and its subclasses, InputError and its subclasses: before anything is measured.
        RuntimeUnavailableError: nothing in the bundle can run here.
        InferenceError: nothing could be measured.
    """
    bundle = open_bundle(request.bundle)
    artifacts = artifacts_of(bundle, request.bundle, request.runtimes, request.threads)
    busy = busy_share()
    with tempfile.TemporaryDirectory(prefix="miniseg-bench-") as folder:
        slices, labels = slices_of(request, bundle, Path(folder))
        series, no_series = series_of(request, bundle, slices, Path(folder))
        plan = Plan(
            bundle=request.bundle,
            slices=slices,
            labels=labels,
            classes=bundle.manifest.network.classes,
            schedule=request.schedule,
            streams=this_machine().cores,
            series=series,
        )
        measured = _measured(request, bundle, artifacts, plan, Path(folder))
        report = _report(request, bundle, plan, replace(measured, failures=(*no_series, *measured.failures)))
        report = replace(report, busy=busy)
        return Benchmark(report, _disagreements(measured, report, plan))


def _measured(
    request: BenchmarkRequest, bundle: Bundle, artifacts: list[Configuration], plan: Plan, folder: Path
) -> _Measured:
    reference = reference_masks(bundle, artifacts, plan)
    peers, peer_failures = _peers(request, bundle, plan.slices, folder)
    session = measure([*artifacts, *peers], plan)
    if not session.measurements:
        reasons = "; ".join(failure.reason for failure in session.failures)
        raise InferenceError("nothing could be measured", because=reasons)
    configurations = [one.configuration for one in session.measurements]
    vendor, vendor_failures = vendor_figures(request, bundle, plan, configurations)
    limits, limit_failures = limits_of(configurations, plan.schedule, request.threads)
    failures = (*peer_failures, *session.failures, *vendor_failures, *limit_failures)
    return _Measured({m.configuration.name: m for m in session.measurements}, reference, vendor, limits, failures)


def _peers(
    request: BenchmarkRequest, bundle: Bundle, slices: Sequence[Path], folder: Path
) -> tuple[list[Configuration], list[Failure]]:
    if not request.peers:
        return [], []
    calibration = slices if request.calibration is None else image_paths(request.calibration)
    with terminal.step("making the peers"):
        return make_peers(PeerFiles(bundle, request.bundle, folder, calibration, request.threads))


def _report(request: BenchmarkRequest, bundle: Bundle, plan: Plan, measured: _Measured) -> Report:
    turns, masks = measured.turns, measured.reference.masks
    baseline = next(turns[name] for name in (*BASELINES, *turns) if name in turns)
    rows = [(one, result_from_measurement(one, plan, masks, baseline)) for one in turns.values()]
    sizes = {f"{mask.shape[0]} x {mask.shape[1]}" for mask in masks}
    return Report(
        schema_version=REPORT_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=this_machine(),
        method=plan.method(request.threads, ", ".join(sorted(sizes))),
        reference=measured.reference.description,
        baseline=baseline.configuration.name,
        results=tuple(_with_limit(row, bundle, measured.limits) for one, row in rows if not one.configuration.peer),
        peers=tuple(row for one, row in rows if one.configuration.peer),
        vendor_benchmarks=measured.vendor,
        ratios=_ratios(turns),
        failures=measured.failures,
        limits=measured.limits,
    )


def _with_limit(result: Result, bundle: Bundle, limits: Sequence[Limit]) -> Result:
    artifact = next((a for a in bundle.manifest.artifacts if a.files[0] == result.artifact), None)
    gflops = _limit_of(result, limits)
    if artifact is None or not artifact.macs or gflops is None:
        return result
    return replace(result, macs=artifact.macs, limit_ms=2e-6 * artifact.macs / gflops)


def _limit_of(result: Result, limits: Sequence[Limit]) -> float | None:
    """The limit of the result's own runtime; the best of all, if that cannot compile single convolutions."""
    able = [limit for limit in limits if limit.precision == result.precision]
    own = [limit for limit in able if limit.runtime == result.runtime]
    return max((float(np.median(limit.gflops)) for limit in own or able), default=None)


def _ratios(measured: Mapping[str, Measurement]) -> tuple[Ratio, ...]:
    """Every pair, the faster over the slower."""
    timed = [(name, m.rounds_ms) for name, m in measured.items() if m.stages_ms]
    timed.sort(key=lambda pair: float(np.median(np.concatenate(pair[1]))))
    return tuple(ratio(a, ours, b, theirs) for (a, ours), (b, theirs) in itertools.combinations(timed, 2))


def _disagreements(measured: _Measured, report: Report, plan: Plan) -> tuple[Disagreement, ...]:
    """The worst slices of each configuration that differs from the reference at all."""
    found = []
    for result in report.everything:
        ranked = sorted(
            range(len(result.slices)), key=lambda i: (result.slices[i].dice, -result.slices[i].changed_pixels)
        )
        for index in ranked[:WORST_SHOWN]:
            judged = result.slices[index]
            if judged.changed_pixels:
                image, mask = slice_from_file(plan.slices[index]), measured.turns[result.name].masks[index]
                found.append(
                    Disagreement(
                        result=result.name,
                        slice_name=judged.name,
                        image=image,
                        reference=measured.reference.masks[index],
                        artifact=mask,
                        dice=judged.dice,
                        changed_pixels=judged.changed_pixels,
                    )
                )
    return tuple(found)
