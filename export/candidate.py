"""The bundle of an export in memory, with every requested artefact, before it is judged."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from platform import python_version

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import npy_from_logits, png_from_golden
from miniseg_edge.bundle.manifest import (
    PARITY_REPORT,
    REFERENCE_TARGET,
    SCHEMA_VERSION,
    Artifact,
    CheckpointRecord,
    GoldenSlice,
    Manifest,
    NetworkRecord,
    ParityRecord,
    origin_of,
)
from miniseg_edge.console import terminal
from miniseg_edge.errors import ParityError
from miniseg_edge.export.artifacts import built_artifact, form_of
from miniseg_edge.export.build import Build
from miniseg_edge.export.choosing.form import tuned_form
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, graph_from_checkpoint
from miniseg_edge.export.judging.validation import phantom_set
from miniseg_edge.export.plan import ExportPlan
from miniseg_edge.export.quantization.calibration import CalibrationSlice
from miniseg_edge.export.quantization.int8 import INT8, int8_artifacts
from miniseg_edge.export.targets import target_named
from miniseg_edge.host.dependencies import require, versions
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.training.networks.registry import stored

GOLDEN_COUNT = 2


def candidate_bundle(plan: ExportPlan, calibration: Sequence[CalibrationSlice]) -> Bundle:
    """The bundle in memory, with all artefacts and golden slices.

    Args:
        plan: what to build.
        calibration: the calibration slices of INT8.

    Raises:
        ExportError and its subclasses: a step failed its check.
        ParityError: no INT8 keeps the limits, and it was requested by name.
    """
    graph = graph_from_checkpoint(plan.checkpoint, plan.feeding)
    candidate = reference_bundle(plan, graph)
    artifacts, contents = _built(plan, graph, candidate, calibration)
    manifest = replace(candidate.manifest, artifacts=(*candidate.manifest.artifacts, *artifacts))
    return _with_golden(replace(candidate, manifest=manifest, contents={**candidate.contents, **contents}))


def reference_bundle(plan: ExportPlan, graph: DeploymentGraph) -> Bundle:
    """The bundle in memory with the FP32 torch reference alone, and without golden slices."""
    checkpoint, interface, identity = plan.checkpoint, plan.interface, plan.checkpoint.identity
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
        preprocessing=plan.preprocessing,
        interface=interface,
        input=interface.input(plan.size),
        output=interface.output(plan.size, identity.classes),
        artifacts=(),
        golden=(),
        parity=ParityRecord(PARITY_REPORT, "", ()),
        tools={"python": python_version(), **versions()},
        files={},
    )
    manifest = replace(manifest, origin=origin_of(manifest))
    weights = {"reference/weights.safetensors": _reference_weights(graph)}
    reference = Artifact(REFERENCE_TARGET, "fp32", tuple(weights), 0, "as trained")
    return Bundle(plan.output.name, replace(manifest, artifacts=(reference,)), weights, trusted=True)


def _built(
    plan: ExportPlan, graph: DeploymentGraph, reference: Bundle, calibration: Sequence[CalibrationSlice]
) -> tuple[list[Artifact], dict[str, bytes]]:
    """Every requested artefact, and all their files."""
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    int8 = [build.target for build in plan.builds if build.precision == INT8]
    for build in plan.builds:
        if build.precision != INT8:
            artifact, files = _built_as_is(plan, graph, reference.manifest, build)
            artifacts.append(artifact)
            contents |= files
    if int8:
        try:
            found, files = int8_artifacts(plan, graph, reference, calibration, int8)
        except ParityError as error:
            if not plan.auto:
                raise
            terminal.warn(f"int8 is passed over: {error}")
        else:
            artifacts += found
            contents |= files
    return artifacts, contents


def _built_as_is(
    plan: ExportPlan, graph: DeploymentGraph, manifest: Manifest, build: Build
) -> tuple[Artifact, dict[str, bytes]]:
    """An artefact of the unmodified graph: everything except INT8."""
    tuned = plan.tune and not target_named(build.target).miniseg_alone
    form, timings = tuned_form(graph, manifest, build) if tuned else (form_of(graph, build), ())
    with terminal.step(f"{build}, form {form.name}") as tell:
        built = built_artifact(graph, manifest, build, form, engine_options=plan.engine_options, tell=tell)
    shares = target_named(build.target).builder().shares(built, manifest, build)
    artifact = Artifact(
        build.target, build.precision, tuple(built.files), built.nodes, form.name, timings, built.macs, shares,
        compiled=built.compiled, operators=built.operators,
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
