"""MiniSeg and other networks that could be deployed instead, all exported in the same way.

Every network is measured through its own bundle and the public runtime API, in turns, in separate processes.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.hardware import this_machine
from miniseg_edge.benchmarks.networks.bundles import Contender, ExportPlan, contenders, exported
from miniseg_edge.benchmarks.networks.report import NETWORKS_SCHEMA_VERSION, NetworkResult, NetworksReport
from miniseg_edge.benchmarks.run.inputs import phantoms_in
from miniseg_edge.benchmarks.session.measurement import Measurement
from miniseg_edge.benchmarks.session.plan import SINGLE_STREAM, Plan, Schedule
from miniseg_edge.benchmarks.session.result import result_from_measurement
from miniseg_edge.benchmarks.session.session import measure
from miniseg_edge.benchmarks.statistics import Ratio, ratio
from miniseg_edge.benchmarks.subjects.configuration import Configuration, configuration_of
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import REFERENCE_TARGET, Artifact, ParityVerdict
from miniseg_edge.errors import InferenceError, UsageError
from miniseg_edge.runtimes.backends.registry import RuntimeEntry, entry_named, registry
from miniseg_edge.slices.images import image_paths, label_from_file
from miniseg_edge.slices.preprocessing import ByteArray

MIN_SAMPLES = 20
"""Samples of each row: the largest networks take seconds per slice, so p99 is left to the report of a bundle."""


@dataclass(frozen=True)
class NetworksRequest:
    """What is asked for.

    Attributes:
        checkpoints: trained networks.
        networks: registered names, with random weights; with neither, all registered networks.
        runtimes: names; empty for OpenVINO and ONNX Runtime, if installed.
        size: (height, width) of the networks' input.
        slices, labels: folders, or None for phantoms; labels judge the checkpoints.
        schedule: how long and how often each row is measured; single-stream is among its scenarios.
        threads: of each runtime, or None for its default.
    """

    checkpoints: tuple[Path, ...] = ()
    networks: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    size: tuple[int, int] = (512, 512)
    slices: Path | None = None
    labels: Path | None = None
    schedule: Schedule = Schedule(min_samples=MIN_SAMPLES)  # noqa: RUF009  frozen
    threads: int | None = None

    def __post_init__(self) -> None:
        if SINGLE_STREAM not in self.schedule.scenarios:
            raise UsageError(
                "networks are only compared by latency", expected=SINGLE_STREAM, got=", ".join(self.schedule.scenarios)
            )
        if self.labels is not None and (self.slices is None or not self.checkpoints):
            raise UsageError(
                "labels need slices and checkpoints", expected="--input DIR and checkpoints", got="only --labels"
            )


@dataclass(frozen=True)
class _Row:
    """An artefact of one network's bundle, on its runtime."""

    contender: Contender
    bundle: Bundle
    artifact: Artifact
    runtime: str

    @property
    def name(self) -> str:
        return f"{self.contender.label} {self.runtime} {self.artifact.precision}"

    def configuration(self, path: Path, threads: int | None) -> Configuration:
        return configuration_of(path, self.runtime, self.artifact, threads, self.contender.label)


def compare_networks(request: NetworksRequest) -> NetworksReport:
    """Exports and measures everything requested.

    Raises:
        UsageError, MissingDependencyError, CheckpointError and its subclasses: see `contenders`; before anything is
            exported.
        InputError and its subclasses: a slice or label is unusable.
        InferenceError: nothing could be measured.
    """
    entries = _entries(request.runtimes)
    with tempfile.TemporaryDirectory(prefix="miniseg-networks-") as name:
        folder = Path(name)
        slices = _slices(request, folder)
        found, failures = contenders(request.checkpoints, request.networks, folder)
        classes = _classes(request, found)
        (folder / "bundles").mkdir()
        export = ExportPlan(tuple(e.target for e in entries), request.size, request.slices, request.labels)
        rows: dict[str, _Row] = {}
        configurations = []
        for one in found:
            bundle, failed = exported(one, export, folder / "bundles" / one.label)
            failures += failed
            for row in [] if bundle is None else _rows(one, bundle, entries):
                rows[row.name] = row
                configurations.append(row.configuration(folder / "bundles" / one.label, request.threads))
        if not rows:
            raise InferenceError("no network could be exported", because="; ".join(f.reason for f in failures))
        plan = _plan(request, Path(configurations[0].source), slices, classes)
        session = measure(configurations, plan)
    measured = {m.configuration.name: m for m in session.measurements}
    return NetworksReport(
        schema_version=NETWORKS_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=this_machine(),
        size=request.size,
        method=plan.method(request.threads, f"{request.size[0]} x {request.size[1]}"),
        results=tuple(_result(rows[name], measured, rows, plan) for name in measured),
        failures=(*failures, *session.failures),
    )


def _entries(names: Sequence[str]) -> list[RuntimeEntry]:
    """The requested runtimes; or those for CPUs that are installed. Raises: UsageError."""
    if names:
        return [entry_named(name) for name in names]
    return [e for e in registry() if not e.reference and not e.needs_gpu]


def _slices(request: NetworksRequest, folder: Path) -> tuple[Path, ...]:
    if request.slices is not None:
        return tuple(image_paths(request.slices))
    return phantoms_in(folder)


def _rows(one: Contender, bundle: Bundle, entries: Sequence[RuntimeEntry]) -> list[_Row]:
    return [
        _Row(one, bundle, artifact, entry.name)
        for entry in entries
        for artifact in bundle.manifest.artifacts
        if artifact.target == entry.target and artifact.target != REFERENCE_TARGET
    ]


def _classes(request: NetworksRequest, found: Sequence[Contender]) -> int:
    """Names of the trained ones, which labels judge."""
    classes = {one.classes for one in found if one.trained} or {2}
    if request.labels is not None and len(classes) > 1:
        raise UsageError(
            "the networks differ in their number of classes",
            expected="one number of classes for all",
            got=str(sorted(classes)),
        )
    return max(classes)


def _plan(request: NetworksRequest, bundle: Path, slices: tuple[Path, ...], classes: int) -> Plan:
    return Plan(
        bundle=bundle,
        slices=slices,
        labels=_labels(request.labels, slices, classes),
        classes=classes,
        schedule=request.schedule,
        streams=this_machine().cores,
    )


def _labels(folder: Path | None, slices: Sequence[Path], classes: int) -> tuple[ByteArray, ...] | None:
    """The label of each slice; the exports have checked that each exists and fits."""
    if folder is None:
        return None
    by_stem = {path.stem: path for path in image_paths(folder)}
    return tuple(label_from_file(by_stem[path.stem], classes) for path in slices)


def _result(row: _Row, measured: Mapping[str, Measurement], rows: Mapping[str, _Row], plan: Plan) -> NetworkResult:
    own, bundle = measured[row.name], row.bundle
    judged = plan.labels is not None and row.contender.trained
    found = result_from_measurement(own, plan, plan.labels if plan.labels is not None else own.masks, own)
    verdict = _verdict(row)
    assert found.latency is not None  # noqa: S101  single-stream was run
    assert found.infer is not None  # noqa: S101
    return NetworkResult(
        name=row.name,
        label=row.contender.label,
        network=bundle.manifest.network.name,
        trained=row.contender.trained,
        runtime=row.runtime,
        precision=row.artifact.precision,
        form=row.artifact.form,
        parameters=bundle.manifest.network.parameters,
        macs=row.artifact.macs,
        model_mb=sum(len(bundle.contents[name]) for name in row.artifact.files) / 1e6,
        latency=found.latency,
        infer=found.infer,
        throughput_slices_per_s=found.throughput_slices_per_s,
        peak_rss_mb=found.peak_rss_mb,
        cold_start_s=found.cold_start_s,
        parity_dice_worst=verdict.dice_worst,
        parity_flips=verdict.real_flips,
        mean_iou=found.mean_iou if judged else None,
        dice=found.dice_mean if judged else None,
        relative=_relative(row, measured, rows),
        rounds_ms=found.rounds_ms,
    )


def _verdict(row: _Row) -> ParityVerdict:
    verdicts = row.bundle.manifest.parity.verdicts
    return next(v for v in verdicts if (v.target, v.precision) == (row.artifact.target, row.artifact.precision))


def _relative(row: _Row, measured: Mapping[str, Measurement], rows: Mapping[str, _Row]) -> Ratio | None:
    """Compares with the first network on the same runtime, in the same precision."""
    first = next(iter(rows.values())).contender.label
    base = measured.get(f"{first} {row.runtime} {row.artifact.precision}")
    own = measured[row.name]
    if base is None or base is own:
        return None
    samples = [np.asarray(turn) for turn in base.rounds_ms]
    return ratio(row.name, own.rounds_ms, base.configuration.name, samples)
