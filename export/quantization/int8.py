"""INT8 artefacts of an export: observe, find or replay a plan, quantize, and prove that it runs in INT8.

A plan is searched for on CPUs, by measuring. TensorRT has a rule in its place: no GPU was there to measure on.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import versions
from miniseg_edge.errors import UsageError
from miniseg_edge.export.artifacts import (
    BuiltArtifact,
    default_form,
    engine_from_graph,
    files_from_onnx,
    onnx_of,
)
from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import Form
from miniseg_edge.export.onnx_from_graph import OnnxModel
from miniseg_edge.export.quantization.calibration import CalibrationSlice, network_inputs
from miniseg_edge.export.quantization.frontier import frontier_png
from miniseg_edge.export.quantization.groups import WIDE, wide_groups
from miniseg_edge.export.quantization.journal import Journal, Verdict
from miniseg_edge.export.quantization.plan import PLAN_SCHEMA_VERSION, QuantizationPlan, plan_from_file
from miniseg_edge.export.quantization.proof import check_int8, shares_of
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.scheme import scheme_of
from miniseg_edge.export.quantization.search import Groups, SearchSpace, searched, sets_of
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.export.turns import Candidate, candidate
from miniseg_edge.files import sha256_of
from miniseg_edge.manifest import Artifact, Manifest, Quantization
from miniseg_edge.parity import ParityLimits, compare, failures
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.records import json_from_record
from miniseg_edge.runtimes.segmenter import load
from miniseg_edge.runtimes.tensorrt.vendors import vendor_of
from miniseg_edge.tensors import GREY

FRONTIER_NAME = "quantization/frontier.png"
INT8 = "int8"

_DECIDES = ("nncf", "onnxruntime", "openvino", "numpy", "miniseg-edge")


@dataclass(frozen=True, eq=False)
class Int8Export:
    """One network in INT8, for every target of one scheme that wants it.

    Attributes:
        manifest: of the bundle to be.
        calibration: the slices.
        wanted: the reference's logit maps of each, (C - 1, H, W).
        exact: the graph as ONNX in FP32.
        macs: its multiplications for one slice.
        quantizer: of that graph.
        form: of the graph.
    """

    manifest: Manifest
    calibration: tuple[CalibrationSlice, ...]
    wanted: tuple[FloatArray, ...]
    exact: OnnxModel
    macs: int
    quantizer: Quantizer
    form: Form

    def plan(self, request: ExportRequest, target: str) -> QuantizationPlan:
        """The plan that was given, or what the search finds on this machine with this target, or the rule for engines.

        Raises:
            UsageError: the file is no plan, or the network is too narrow for the rule.
            ParityError: no set of groups keeps the limits.
        """
        if request.quantization is not None:
            return plan_from_file(request.quantization)
        if vendor_of(target) is not None:
            return self._by_rule(request.seed)
        limits = request.limits[INT8]
        path = request.output.with_name(f"{request.output.name}.search.json")
        journal = Journal.at(path, self._fingerprint(target, request.seed, limits))
        with tempfile.TemporaryDirectory(prefix="miniseg-int8-") as folder:
            plan = searched(self._space(target, Path(folder), limits), journal, request.seed)
        journal.close()
        _show(plan)
        return plan

    def built(
        self, target: str, groups: Groups, engine_options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """A target's artefact with these groups in INT8.

        Args:
            target: what to build.
            groups: see `Quantizer.quantized`.
            engine_options, tell: see `engine_files`.

        Raises:
            UsageError, ExportError and its kin: see `Quantizer.quantized`, `files_from_onnx`, `engine_files`.
        """
        onnx = self.quantizer.quantized(groups, self.manifest.input, self.manifest.output)
        if (vendor := vendor_of(target)) is None:
            return files_from_onnx(onnx, self.manifest, (target, INT8), self.macs)
        return engine_from_graph(
            vendor, (onnx, self.macs), self.manifest, (target, INT8),
            quantized=self.quantizer.convolutions(groups), engine_options=engine_options, tell=tell,
        )  # fmt: skip

    def _by_rule(self, seed: int) -> QuantizationPlan:
        groups = wide_groups(self.quantizer.exact, self.quantizer.groups)
        wanted = f"groups of which every convolution reads and gives {WIDE} channels or more"
        if not groups:
            raise UsageError(
                "the network is too narrow for INT8 on tensor cores", wanted, "none",
                "Take --precision fp16, or say by --quantization FILE what to quantize.",
            )  # fmt: skip
        return QuantizationPlan(PLAN_SCHEMA_VERSION, groups, seed, f"{wanted}: by rule, not measured", "", ())

    def _space(self, target: str, folder: Path, limits: ParityLimits) -> SearchSpace:
        exact = self._candidate(target, "fp32", folder / "fp32", files_from_onnx(
            self.exact, self.manifest, (target, "fp32"), self.macs
        ))  # fmt: skip
        candidates: dict[Groups, Candidate] = {}

        def build(groups: Groups) -> Candidate:
            if groups not in candidates:
                path = folder / f"set-{len(candidates)}"
                candidates[groups] = self._candidate(target, INT8, path, self.built(target, groups))
            return candidates[groups]

        def judge(one: Candidate) -> Verdict:
            with load(str(one.path), one.runtime, "cpu") as segmenter:
                slices = [
                    compare(item.sha256[:12], wanted, segmenter.segment(item.pixels).evidence, limits)
                    for item, wanted in zip(self.calibration, self.wanted, strict=True)
                ]
            dice = [found.dice for found in slices]
            return Verdict(sum(dice) / len(dice), min(dice), failures(slices, limits))

        return SearchSpace(tuple(self.quantizer.groups), exact, build, judge)

    def _candidate(self, target: str, precision: str, path: Path, built: BuiltArtifact) -> Candidate:
        return candidate(self.manifest, Artifact(target, precision, (), built.nodes, self.form.name), built, path)

    def _fingerprint(self, target: str, seed: int, limits: ParityLimits) -> str:
        """Of everything that the search depends on, but the machine's speed."""
        parts = [sha256_of(self.exact.data), target, str(seed), repr(limits), repr(versions(_DECIDES))]
        return sha256_of("\n".join((*parts, *(item.sha256 for item in self.calibration))).encode())


def int8_export(
    graph: DeploymentGraph, reference: Bundle, calibration: Sequence[CalibrationSlice], target: str
) -> Int8Export:
    """Observes a graph on the calibration slices.

    Args:
        graph: of fixed shapes.
        reference: the bundle to be, with the reference artefact.
        calibration: the slices.
        target: what is built; others of its scheme have the same network.

    Raises:
        MissingDependencyError, ExportError: see `onnx_of`, `Quantizer.of`.
    """
    manifest, form = reference.manifest, default_form(target, INT8)
    grey = manifest.interface.values == GREY
    with terminal.step("observing the calibration slices"):
        exact, macs = onnx_of(graph, manifest, form)
        quantizer = Quantizer.of(exact, network_inputs(calibration, manifest), scheme_of(target), grey=grey)
        with load(reference, "torch", "cpu") as segmenter:
            wanted = tuple(segmenter.segment(item.pixels).logit_maps for item in calibration)
    return Int8Export(manifest, tuple(calibration), wanted, exact, macs, quantizer, form)


def int8_artifacts(
    request: ExportRequest,
    graph: DeploymentGraph,
    reference: Bundle,
    calibration: Sequence[CalibrationSlice],
    targets: Sequence[str],
) -> tuple[list[Artifact], dict[str, bytes]]:
    """The INT8 artefacts of some targets, those of one scheme with one plan, and their files, plans among them.

    Raises:
        UsageError: the plan's file is none, or names groups that the network does not have.
        ParityError: no set of groups keeps the limits.
        ExportError: what was built does not run in INT8.
    """
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    for scheme in dict.fromkeys(map(scheme_of, targets)):
        found, files = _of_scheme(
            request, graph, reference, calibration, [target for target in targets if scheme_of(target) == scheme]
        )
        artifacts += found
        contents |= files
    return artifacts, contents


def _of_scheme(
    request: ExportRequest,
    graph: DeploymentGraph,
    reference: Bundle,
    calibration: Sequence[CalibrationSlice],
    targets: Sequence[str],
) -> tuple[list[Artifact], dict[str, bytes]]:
    """The same for targets of one scheme."""
    # OpenVINO gains most from INT8, so it decides where there is a choice.
    decides = "openvino" if "openvino" in targets else targets[0]
    export = int8_export(graph, reference, calibration, decides)
    plan, path = export.plan(request, decides), scheme_of(decides).plan
    artifacts, contents = [], plan_files(plan, path, request.limits[INT8])
    for target in targets:
        with terminal.step(f"{target} {INT8}, {len(plan.groups)} groups") as tell:
            built = export.built(target, plan.groups, request.engine_options, tell)
            shares = shares_of(built, export.manifest, (target, INT8))
        if shares:
            check_int8(shares, len(export.quantizer.convolutions(plan.groups)))
        artifacts.append(Artifact(
            target, INT8, tuple(built.files), built.nodes, export.form.name, (), built.macs, shares,
            Quantization(path, plan.groups, tuple(item.sha256 for item in calibration)), built.engine,
        ))  # fmt: skip
        contents |= built.files
    return artifacts, contents


def plan_files(plan: QuantizationPlan, path: str, limits: ParityLimits) -> dict[str, bytes]:
    """What of a plan goes into the bundle: itself, and the picture of its search."""
    files = {path: json_from_record(plan).encode()}
    if any(sets_of(plan)):
        files[FRONTIER_NAME] = frontier_png(plan, limits)
    return files


def _show(plan: QuantizationPlan) -> None:
    rows = [
        (
            f"{len(trial.groups)} groups{' *' if trial.groups == plan.groups else ''}",
            f"{trial.speed:.2f}",
            f"{trial.dice_mean:.4f}",
            f"{trial.dice_worst:.4f}",
            "; ".join(trial.failures) or "kept",
        )
        for trial in sets_of(plan)
    ]
    terminal.table("INT8 on this machine", ("quantized", "speed", "Dice mean", "worst", "limits"), rows)
    terminal.say(plan.reason, "good")
