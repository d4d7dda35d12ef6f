"""The export from end to end: a checkpoint in, a bundle out, or a parity report that says why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from platform import python_version

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle, check_destination, file_records, write_bundle
from miniseg_edge.dependencies import require, versions
from miniseg_edge.errors import ParityError, StatisticsError
from miniseg_edge.export.artifacts import artifact_files, form_of
from miniseg_edge.export.choice import choices_among
from miniseg_edge.export.completion import completed
from miniseg_edge.export.deployment_graph import DeploymentGraph, Feeding, graph_from_checkpoint
from miniseg_edge.export.machine import runnable
from miniseg_edge.export.other_networks import check_other_network
from miniseg_edge.export.parity_check import check_parity
from miniseg_edge.export.quantization.calibration import CalibrationSlice, calibration_set, check_apart, held_back
from miniseg_edge.export.quantization.int8 import INT8, int8_artifacts
from miniseg_edge.export.quantization.proof import shares_of
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.serving.layouts import with_layouts
from miniseg_edge.export.tuning import tuned_form
from miniseg_edge.export.validation import PixelSlice, ValidationSet, phantom_set, validation_set
from miniseg_edge.files import replace_file
from miniseg_edge.golden import npy_from_logits, png_from_golden
from miniseg_edge.manifest import (
    REFERENCE_TARGET,
    SCHEMA_VERSION,
    Artifact,
    CheckpointRecord,
    GoldenSlice,
    Manifest,
    NetworkRecord,
    ParityRecord,
    PrecisionChoice,
    Preprocessing,
    origin_of,
    sealed,
)
from miniseg_edge.parity import ParityReport, TargetParity
from miniseg_edge.parity_summary import summary
from miniseg_edge.preprocessing import GREY_MAX, Statistics
from miniseg_edge.records import json_from_record
from miniseg_edge.runtimes.segmenter import load
from miniseg_edge.training.checkpoint import Checkpoint, checkpoint_from_file
from miniseg_edge.training.networks import RegisteredNetwork, stored

PARITY_REPORT = "parity.json"
PARITY_SCHEMA_VERSION = 1
GOLDEN_COUNT = 2
UNLIKE_MEAN, UNLIKE_STD = 0.1, 1.25
"""How far slices may be from the statistics, as a difference and as a factor, before the export remarks on it."""


@dataclass(frozen=True)
class ExportResult:
    """What came out.

    Attributes:
        bundle: what was written to the output, or None if no target passed parity.
        parities: one for each target.
        report: where the parity report lies: in the bundle, or beside it if a target failed.
    """

    bundle: Bundle | None
    parities: tuple[TargetParity, ...]
    report: Path


def export_bundle(request: ExportRequest) -> ExportResult:
    """Runs the whole export; progress goes to the terminal.

    Raises:
        OutputExistsError, IncompatibleError: before any work; the output may not be written, this CPU has no BF16.
        CheckpointError and its kin: see `checkpoint_from_file`; StatisticsError if they come from nowhere.
        ExportError and its kin: a step failed its check.
        OutputError: nothing half-written stays.
    """
    check_destination(request.output, overwrite=request.overwrite)
    request = runnable(request)
    checkpoint = checkpoint_from_file(request.checkpoint)
    request = completed(request, checkpoint)
    terminal.say(f"{checkpoint.name}: {checkpoint.identity.name}, {checkpoint.identity.classes} classes")
    statistics, source = resolved_statistics(request.statistics, checkpoint)
    interface = request.interface(checkpoint.identity.in_channels)
    graph = graph_from_checkpoint(checkpoint, Feeding(statistics, interface, request.window))
    if isinstance(graph.network, RegisteredNetwork):
        check_other_network(graph.network, request)
    validation, calibration = _slices(request, checkpoint)
    if request.validation is not None:
        warn_if_unlike(statistics, validation)

    preprocessing = Preprocessing(GREY_MAX, statistics, source, request.input_size, "opencv-bilinear", request.window)
    candidate = _candidate(request, checkpoint, graph, preprocessing, calibration)
    parities = check_parity(candidate, validation, request.limits)
    report = ParityReport(PARITY_SCHEMA_VERSION, checkpoint.sha256, validation.description, parities)
    choices = choices_among(candidate, parities) if request.auto else ()
    return _released(request, candidate, report, choices)


def resolved_statistics(given: Statistics | None, checkpoint: Checkpoint) -> tuple[Statistics, str]:
    """The statistics to use and where they come from; what was said outright goes before the checkpoint's.

    Raises:
        StatisticsError: they come from nowhere.
    """
    if given is None and checkpoint.statistics is None:
        raise StatisticsError(
            f"the normalisation of {checkpoint.name} is unknown", "--mean and --std of its training slices", "neither",
            "They are part of the training: averages over its slices of each slice's mean and std, on the 0..1 scale. "
            "A guess (ImageNet's, say) gives wrong masks.",
        )  # fmt: skip
    if given is None:
        assert checkpoint.statistics is not None  # noqa: S101
        return checkpoint.statistics, "checkpoint"
    if checkpoint.statistics not in (None, given):
        terminal.warn(
            f"the checkpoint says {checkpoint.statistics}, the command line {given}; the command line's are used"
        )
    return given, "command line"


def warn_if_unlike(statistics: Statistics, validation: ValidationSet) -> None:
    """Says so, loudly, if the validation slices do not look like slices that these statistics were taken from.

    Parity cannot see a wrong normalisation, because the reference would be wrong in the same way.
    """
    slices = terminal.track(validation.slices, "reading the validation slices")
    moments = [(grey.mean(), grey.std()) for grey in (item.image() / GREY_MAX for item in slices)]
    mean, std = (float(value) for value in np.mean(moments, axis=0))
    if abs(mean - statistics.mean) > UNLIKE_MEAN or not 1 / UNLIKE_STD < std / statistics.std < UNLIKE_STD:
        terminal.warn(
            f"the normalisation is for mean {statistics.mean:.3f}, std {statistics.std:.3f}, but the validation "
            f"slices have mean {mean:.3f}, std {std:.3f}: are these the statistics of the checkpoint's training slices?"
        )


def _slices(request: ExportRequest, checkpoint: Checkpoint) -> tuple[ValidationSet, tuple[CalibrationSlice, ...]]:
    """What artefacts are judged on, and what INT8 is fitted to."""
    classes, channels = checkpoint.identity.classes, request.interface(checkpoint.identity.in_channels).channels
    calibration: tuple[CalibrationSlice, ...] = ()
    if request.calibration is not None:
        calibration = calibration_set(request.calibration, channels, request.seed)
    if request.validation is not None:
        validation = validation_set(request.validation, request.labels, classes, channels)
        check_apart(calibration, ((item.name, item.image()) for item in validation.slices))
        return validation, calibration
    if not calibration:
        return phantom_set(request.input_size, channels), ()
    # INT8 that is fitted to real slices draws phantoms, which look unlike them, less well.
    held, fitted = held_back(calibration)
    description = f"{len(held)} of the calibration slices, held back, no labels"
    return ValidationSet(description, tuple(PixelSlice(item.sha256[:12], item.pixels) for item in held)), fitted


def _candidate(
    request: ExportRequest,
    checkpoint: Checkpoint,
    graph: DeploymentGraph,
    preprocessing: Preprocessing,
    calibration: Sequence[CalibrationSlice],
) -> Bundle:
    """The bundle in memory, with all artefacts and golden slices, before anybody judged it."""
    interface, identity = graph.feeding.interface, checkpoint.identity
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        digest="",
        origin="",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        checkpoint=CheckpointRecord(checkpoint.name, checkpoint.sha256, checkpoint.training),
        network=NetworkRecord(
            identity.name,
            identity.in_channels,
            identity.classes,
            sum(p.numel() for p in graph.network.parameters()),
            checkpoint.architecture,
        ),
        preprocessing=preprocessing,
        interface=interface,
        input=interface.input(request.input_size),
        output=interface.output(request.input_size, identity.classes),
        artifacts=(),
        golden=(),
        parity=ParityRecord(PARITY_REPORT, "", ()),
        tools={"python": python_version(), **versions()},
        files={},
    )
    manifest = replace(manifest, origin=origin_of(manifest))
    weights = {"reference/weights.safetensors": _reference_weights(graph)}
    reference = Artifact(REFERENCE_TARGET, "fp32", tuple(weights), 0, "as trained")
    candidate = Bundle(request.output.name, replace(manifest, artifacts=(reference,)), weights)
    artifacts, contents = _built(request, graph, candidate, calibration)
    manifest = replace(manifest, artifacts=(reference, *artifacts))
    return _with_golden(replace(candidate, manifest=manifest, contents=weights | contents))


def _built(
    request: ExportRequest, graph: DeploymentGraph, reference: Bundle, calibration: Sequence[CalibrationSlice]
) -> tuple[list[Artifact], dict[str, bytes]]:
    """Every artefact that was asked for, and the files of all."""
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    int8 = [target for target, precision in request.builds if precision == INT8]
    for target, precision in request.builds:
        if precision != INT8:
            artifact, files = _built_as_is(request, graph, reference.manifest, (target, precision))
            artifacts.append(artifact)
            contents |= files
    if int8:
        try:
            found, files = int8_artifacts(request, graph, reference, calibration, int8)
        except ParityError as error:
            if not request.auto:
                raise
            terminal.warn(f"int8 is passed over: {error}")
        else:
            artifacts += found
            contents |= files
    return artifacts, contents


def _built_as_is(
    request: ExportRequest, graph: DeploymentGraph, manifest: Manifest, what: tuple[str, str]
) -> tuple[Artifact, dict[str, bytes]]:
    """An artefact of the graph as it is: everything but INT8."""
    form, timings = tuned_form(graph, manifest, *what) if request.tune else (form_of(graph, *what), ())
    with terminal.step(f"{' '.join(what)}, form {form.name}") as tell:
        built = artifact_files(graph, manifest, what, form, engine_options=request.engine_options, tell=tell)
    artifact = Artifact(
        *what, tuple(built.files), built.nodes, form.name, timings, built.macs, shares_of(built, manifest, what),
        engine=built.engine,
    )  # fmt: skip
    return artifact, built.files


def _reference_weights(graph: DeploymentGraph) -> bytes:
    state = {
        key: tensor.clone() for key, tensor in stored(graph.network).state_dict().items()
    }  # tied weights share memory
    data: bytes = require("safetensors.torch", "export").save(state)
    return data


def _with_golden(bundle: Bundle) -> Bundle:
    """With golden slices and the torch reference's answers to them."""
    golden: list[GoldenSlice] = []
    contents = dict(bundle.contents)
    with load(bundle, runtime="torch", device="cpu") as reference:
        manifest = bundle.manifest
        for phantom in phantom_set(manifest.preprocessing.size, manifest.interface.channels).slices[:GOLDEN_COUNT]:
            image = phantom.image()
            entry = GoldenSlice(phantom.name, f"golden/{phantom.name}.png", f"golden/{phantom.name}.logit.npy")
            contents[entry.image] = png_from_golden(image)
            contents[entry.logit] = npy_from_logits(reference.segment(image).logit_maps)
            golden.append(entry)
    return replace(bundle, contents=contents, manifest=replace(bundle.manifest, golden=tuple(golden)))


def _released(
    request: ExportRequest, candidate: Bundle, report: ParityReport, choices: tuple[PrecisionChoice, ...]
) -> ExportResult:
    """Writes the bundle with the artefacts that passed; where one failed, the report also lies beside it."""
    data = json_from_record(report).encode()
    failed = {(p.target, p.precision) for p in report.targets if not p.passed}
    path = request.output / PARITY_REPORT
    if failed:
        path = request.output.with_name(f"{request.output.name}.{PARITY_REPORT}")
        replace_file(path, data)
    if len(failed) == len(report.targets):
        return ExportResult(None, report.targets, path)
    kept = {(c.target, c.precision) for c in choices} or {(p.target, p.precision) for p in report.targets} - failed
    bundle = with_layouts(_with_only(candidate, kept, report, data), request.serving)
    bundle = replace(bundle, manifest=sealed(replace(bundle.manifest, choices=choices)))
    write_bundle(bundle, request.output, overwrite=request.overwrite, signer=request.signer)
    return ExportResult(bundle, report.targets, path)


def _with_only(candidate: Bundle, kept: set[tuple[str, str]], report: ParityReport, data: bytes) -> Bundle:
    """The bundle with these artefacts and the reference, and no file that nothing of it needs."""
    manifest = candidate.manifest
    artifacts = tuple(a for a in manifest.artifacts if a.target == REFERENCE_TARGET or (a.target, a.precision) in kept)
    dropped = _file_names(manifest.artifacts) - _file_names(artifacts)
    contents: Mapping[str, bytes] = {
        **{name: content for name, content in candidate.contents.items() if name not in dropped},
        PARITY_REPORT: data,
    }
    verdicts = tuple(summary(parity) for parity in report.targets)
    released = replace(
        manifest,
        artifacts=artifacts,
        parity=ParityRecord(PARITY_REPORT, report.validation, verdicts),
        files=file_records(contents),
    )
    return Bundle(candidate.name, released, contents)


def _file_names(artifacts: Sequence[Artifact]) -> set[str]:
    plans = {a.quantization.plan for a in artifacts if a.quantization is not None}
    return plans | {name for artifact in artifacts for name in artifact.files}
