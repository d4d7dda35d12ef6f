"""INT8 artefacts of an export: observe, find or replay a plan, quantize, and verify that it runs in INT8.

For CPUs a plan is found by measuring. TensorRT uses a rule instead, because there was no GPU to measure on.
"""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact, Manifest, Quantization
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.errors import NoGainError, ParityError, UsageError
from miniseg_edge.export.artifacts import onnx_of
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import BuiltArtifact, Source
from miniseg_edge.export.builders.proof import check_int8
from miniseg_edge.export.choosing.turns import Candidate, candidate
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph
from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.plan import ExportPlan
from miniseg_edge.export.quantization.calibration import CalibrationSlice, network_inputs, one_level_off
from miniseg_edge.export.quantization.groups import WIDE, multiplications, wide_groups
from miniseg_edge.export.quantization.quantizer import Fitting, Quantizer
from miniseg_edge.export.quantization.scheme import Scheme
from miniseg_edge.export.quantization.search.frontier import frontier_png
from miniseg_edge.export.quantization.search.journal import Journal
from miniseg_edge.export.quantization.search.noise import Judge, Slice
from miniseg_edge.export.quantization.search.plan import QuantizationPlan, plan_from_file
from miniseg_edge.export.quantization.search.search import Groups, SearchSpace, ladder_of, largest, searched, sets_of
from miniseg_edge.export.quantization.search.stability import LIMIT as STABLE
from miniseg_edge.export.quantization.search.stability import Stability, stability, subsets_without
from miniseg_edge.export.targets import target_named
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.host.dependencies import versions
from miniseg_edge.host.files import sha256_of
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.plurals import number_of
from miniseg_edge.tensors import GREY

FRONTIER_NAME = "quantization/frontier.png"
INT8 = "int8"

_DECIDES = ("openvino", "numpy", "onnx", "miniseg-edge")


@dataclass(frozen=True, eq=False)
class Int8Export:
    """One network in INT8, for every target that shares its scheme.

    Attributes:
        manifest: of the future bundle.
        calibration: the slices.
        exact: the graph as ONNX in FP32.
        macs: its multiplications for one slice.
        fitting: of that graph to the slices.
        quantizer: fitted to all of them.
        form: of the graph.
    """

    manifest: Manifest
    calibration: tuple[CalibrationSlice, ...]
    exact: OnnxModel
    macs: int
    fitting: Fitting
    quantizer: Quantizer
    form: Form

    def fitted(self, export: ExportPlan, target: str) -> QuantizationPlan:
        """The given plan, or the search's result on this machine with this target, or the rule for engines.

        Raises:
            UsageError: the file is not a plan, too few calibration slices, or the network is too narrow for the rule.
            ParityError: no set of groups keeps the limits, or INT8 is not stable.
            NoGainError: none of those that do is faster than FP32, and a slow one was not requested.
        """
        if export.quantization is not None:
            return plan_from_file(export.quantization)
        limits = export.limits[INT8]
        if not scheme_of(target).searched:
            return self._by_rule(export.seed, limits)
        judge = self.judge(tuple(self.quantizer.groups), limits)
        path = export.output.with_name(f"{export.output.name}.search.json")
        journal = Journal.at(path, self._fingerprint(target, export.seed, limits))
        with tempfile.TemporaryDirectory(prefix="miniseg-int8-") as folder:
            plan = searched(self._space(target, Path(folder), judge), journal, export.seed)
        _show(plan)
        if not plan.faster and not export.slow_int8:
            journal.forget_rounds()
            raise NoGainError(
                "INT8 is no faster than FP32 on this machine",
                expected="a speed-up larger than the noise",
                because=plan.reason,
                remedy="Use --precision fp32 or bf16, or build INT8 anyway with --slow-int8 or --quantization FILE.",
            )
        found = self.stability(plan.groups, judge, plan.seed)
        journal.close()
        return _safe(plan, found)

    def judge(self, groups: Groups, limits: ParityLimits, slices: Sequence[CalibrationSlice] | None = None) -> Judge:
        """Of sets of groups.

        Args:
            groups: whose noise by itself is wanted.
            limits: for the masks.
            slices: that judge; None: the calibration slices.

        Raises:
            ExportError: see `Judge.of`.
        """
        judging = self.calibration if slices is None else slices
        inputs = (network_inputs(each, self.manifest) for each in (judging, one_level_off(judging)))
        names = (item.sha256[:12] for item in judging)
        return Judge.of(
            self.quantizer, groups, tuple(Slice(*parts) for parts in zip(names, *inputs, strict=True)), limits
        )

    def without(self, left_out: Collection[int]) -> "Int8Export":
        """The same, fitted without the calibration slices of these indices."""
        return replace(self, quantizer=self.fitting.quantizer(left_out))

    def stability(self, groups: Groups, judge: Judge, seed: int) -> Stability:
        """How far the worst slice's Dice spreads over subsets of the calibration slices.

        Args:
            groups: in INT8.
            judge: whose slices judge.
            seed: draws the subsets.

        Raises:
            UsageError: too few calibration slices to leave some out.
        """
        return stability(
            subsets_without(len(self.calibration), seed),
            lambda left_out: replace(judge, quantizer=self.fitting.quantizer(left_out))(groups).dice_worst,
        )

    def built(
        self, target: str, groups: Groups, engine_options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """A target's artefact with these groups in INT8.

        Args:
            target: what to build.
            groups: see `Quantizer.quantized`.
            engine_options, tell: see `engine_files`.

        Raises:
            UsageError, ExportError and its subclasses: see `Quantizer.quantized`, `Builder.built`.
        """
        onnx = self.quantizer.quantized(groups, self.manifest.input, self.manifest.output)
        source = Source.of_onnx(onnx, self.macs, self.manifest, self.quantizer.convolutions(groups))
        return target_named(target).builder().built(source, Build(target, INT8), engine_options, tell)

    def _by_rule(self, seed: int, limits: ParityLimits) -> QuantizationPlan:
        groups = wide_groups(self.quantizer.exact, self.quantizer.groups)
        wanted = f"groups of which every convolution reads and gives {WIDE} channels or more"
        if not groups:
            raise UsageError(
                "the network is too narrow for INT8 on tensor cores", expected=wanted, got="none",
                remedy="Use --precision fp16, or choose what to quantize with --quantization FILE.",
            )  # fmt: skip
        judge = self.judge(groups, limits)
        plan = largest(self._ladder(groups, judge), judge, seed, wanted)
        return _safe(plan, self.stability(plan.groups, judge, seed))

    def _space(self, target: str, folder: Path, judge: Judge) -> SearchSpace:
        source = Source.of_onnx(self.exact, self.macs, self.manifest)
        built = target_named(target).builder().built(source, Build(target, "fp32"))
        exact = self._candidate(target, "fp32", folder / "fp32", built)
        candidates: dict[Groups, Candidate] = {}

        def build(groups: Groups) -> Candidate:
            if groups not in candidates:
                path = folder / f"set-{len(candidates)}"
                candidates[groups] = self._candidate(target, INT8, path, self.built(target, groups))
            return candidates[groups]

        groups = tuple(self.quantizer.groups)
        return SearchSpace(groups, self._ladder(groups, judge), exact, build, judge)

    def _ladder(self, groups: Groups, judge: Judge) -> tuple[Groups, ...]:
        counts = multiplications(self.quantizer.exact, self.quantizer.groups)
        rows = [(group, f"{counts[group] / 1e6:.1f}", f"{judge.alone[group]:.2f}") for group in groups]
        terminal.table("INT8, each group by itself", ("group", "MMAC", "noise in grey levels"), rows)
        return ladder_of(groups, judge.alone, counts)

    def _candidate(self, target: str, precision: str, path: Path, built: BuiltArtifact) -> Candidate:
        return candidate(self.manifest, Artifact(target, precision, (), built.nodes, self.form.name), built, path)

    def _fingerprint(self, target: str, seed: int, limits: ParityLimits) -> str:
        """Identifies everything that the search depends on, except the machine's speed."""
        parts = [sha256_of(self.exact.data), target, str(seed), repr(limits), repr(versions(_DECIDES))]
        return sha256_of("\n".join((*parts, *(item.sha256 for item in self.calibration))).encode())


def int8_export(
    graph: DeploymentGraph, manifest: Manifest, calibration: Sequence[CalibrationSlice], target: str
) -> Int8Export:
    """Observes a graph on the calibration slices.

    Args:
        graph: of fixed shapes.
        manifest: of the future bundle.
        calibration: the slices.
        target: the built target; others with its scheme share the network.

    Raises:
        ExportError: see `onnx_of`, `Fitting.of`.
    """
    form, grey = target_named(target).form(INT8), manifest.interface.values == GREY
    with terminal.step("observing the calibration slices"):
        exact, macs = onnx_of(graph, manifest, form)
        fitting = Fitting.of(exact, network_inputs(calibration, manifest), scheme_of(target), grey=grey)
        quantizer = fitting.quantizer()
    return Int8Export(manifest, tuple(calibration), exact, macs, fitting, quantizer, form)


def int8_artifacts(
    plan: ExportPlan,
    graph: DeploymentGraph,
    reference: Bundle,
    calibration: Sequence[CalibrationSlice],
    targets: Sequence[str],
) -> tuple[list[Artifact], dict[str, bytes]]:
    """The INT8 artefacts of some targets (those with the same scheme share a plan) and their files, including plans.

    Raises:
        UsageError: the file is not a plan, or names groups that the network does not have.
        ParityError: no set of groups keeps the limits.
        NoGainError: see `Int8Export.fitted`.
        ExportError: the result does not run in INT8.
    """
    artifacts: list[Artifact] = []
    contents: dict[str, bytes] = {}
    for scheme in dict.fromkeys(map(scheme_of, targets)):
        found, files = _of_scheme(
            plan, graph, reference, calibration, [target for target in targets if scheme_of(target) == scheme]
        )
        artifacts += found
        contents |= files
    return artifacts, contents


def _of_scheme(
    plan: ExportPlan,
    graph: DeploymentGraph,
    reference: Bundle,
    calibration: Sequence[CalibrationSlice],
    targets: Sequence[str],
) -> tuple[list[Artifact], dict[str, bytes]]:
    """The same for targets of one scheme."""
    decides = next((target for target in targets if target_named(target).leads_int8), targets[0])
    export = int8_export(graph, reference.manifest, calibration, decides)
    fitted, path = export.fitted(plan, decides), scheme_of(decides).plan
    artifacts, contents = [], plan_files(fitted, path, plan.limits[INT8])
    for target in targets:
        with terminal.step(f"{target} {INT8}, {number_of(len(fitted.groups), 'group')}") as tell:
            built = export.built(target, fitted.groups, plan.engine_options, tell)
            shares = target_named(target).builder().shares(built, export.manifest, Build(target, INT8))
        if shares:
            check_int8(shares, len(export.quantizer.convolutions(fitted.groups)))
        artifacts.append(Artifact(
            target, INT8, tuple(built.files), built.nodes, export.form.name, (), built.macs, shares,
            Quantization(path, fitted.groups, tuple(item.sha256 for item in calibration), fitted.faster),
            built.compiled, built.operators,
        ))  # fmt: skip
        contents |= built.files
    return artifacts, contents


def scheme_of(target: str) -> Scheme:
    """The scheme of a target that supports INT8."""
    scheme = target_named(target).int8
    assert scheme is not None  # noqa: S101  a row has one where INT8 is among its precisions
    return scheme


def plan_files(plan: QuantizationPlan, path: str, limits: ParityLimits) -> dict[str, bytes]:
    """Files of a plan for the bundle: the plan, and the picture of its search."""
    files = {path: json_from_record(plan).encode()}
    if any(sets_of(plan)):
        files[FRONTIER_NAME] = frontier_png(plan, limits)
    return files


def _safe(plan: QuantizationPlan, found: Stability) -> QuantizationPlan:
    """The plan with what the subsets gave. Raises: ParityError: they differ too much."""
    if not found.safe:
        raise ParityError(
            "INT8 is not safe for this checkpoint",
            expected=f"a spread of the worst slice's Dice below {STABLE:g}",
            got=str(found),
            remedy="Use --precision fp32 or bf16, or choose fewer groups to quantize with --quantization FILE.",
        )
    terminal.say(f"stable: {found}", "good")
    return replace(plan, reason=f"{plan.reason}; {found}", worst_slices=found.worst)


def _show(plan: QuantizationPlan) -> None:
    rows = [
        (
            f"{number_of(len(trial.groups), 'group')}{' *' if trial.groups == plan.groups else ''}",
            f"{trial.speed:.2f}",
            f"{trial.dice_mean:.4f}",
            f"{trial.dice_worst:.4f}",
            f"{trial.noise:.2f}",
            "; ".join(trial.failures) or "yes",
        )
        for trial in sets_of(plan)
    ]
    terminal.table("INT8 on this machine", ("quantized", "speed", "Dice mean", "worst", "noise", "within limits"), rows)
    terminal.say(plan.reason, "good")
