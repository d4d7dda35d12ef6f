"""Resolves the user's request into the plan of an export: the last place where something is refused before the work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.manifest import Preprocessing
from miniseg_edge.bundle.signature import Signer
from miniseg_edge.bundle.training_record import TrainingRecord
from miniseg_edge.console import terminal
from miniseg_edge.errors import IncompatibleError, StatisticsError, UsageError
from miniseg_edge.export.build import Build
from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.other_networks import check_other_network
from miniseg_edge.export.request import PUBLISHED_SIZE, ExportRequest
from miniseg_edge.export.serving.options import Serving
from miniseg_edge.export.targets import target_named
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.slices.preprocessing import GREY_MAX, Statistics
from miniseg_edge.tensors import HU, GraphInterface
from miniseg_edge.training.checkpoint import Checkpoint
from miniseg_edge.training.networks.registry import RegisteredNetwork


@dataclass(frozen=True)
class ExportPlan:
    """The complete plan of an export, used by all later steps.

    Attributes:
        checkpoint: the trained network.
        output: directory that becomes the bundle; `overwrite`: whether it may replace one.
        builds: the artefacts.
        preprocessing: how a slice becomes the network's input.
        interface: the graph's inputs and outputs.
        limits: for parity, by precision.
        validation, labels: folders on which artefacts are judged, or None for the demo phantoms.
        calibration: folder of the calibration slices, or None without INT8.
        slow_int8: whether INT8 is built even if a search finds it no faster than FP32.
        quantization, seed, auto, tune, engine_options, serving, signer: as in the request.
    """

    checkpoint: Checkpoint
    output: Path
    overwrite: bool
    builds: tuple[Build, ...]
    preprocessing: Preprocessing
    interface: GraphInterface
    limits: Mapping[str, ParityLimits]
    validation: Path | None
    labels: Path | None
    calibration: Path | None
    quantization: Path | None
    slow_int8: bool
    seed: int
    auto: bool
    tune: bool
    engine_options: EngineOptions
    serving: Serving | None
    signer: Signer | None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input in pixels."""
        return self.preprocessing.size

    @property
    def feeding(self) -> Feeding:
        """What surrounds the network in its graph."""
        return Feeding(self.preprocessing.statistics, self.interface, self.preprocessing.window)


def builds_here(request: ExportRequest) -> tuple[Build, ...]:
    """The requested builds; with `--precision auto` without those that this processor does not support.

    An artefact is only released after it was run on the exporting machine.

    Raises:
        IncompatibleError: a precision was requested by name, and this processor does not support it.
        MissingDependencyError: a vendor's package is not installed.
        RuntimeUnavailableError: an engine must be built on the GPU that will run it, and there is none.
    """
    dropped: set[str] = set()
    for build in request.builds:
        try:
            target_named(build.target).builder().check(build, request.engine_options)
        except IncompatibleError as error:
            if not request.auto:
                raise
            terminal.say(f"{build} is not tried: {error.problem}")
            dropped.add(build.precision)
    return tuple(build for build in request.builds if build.precision not in dropped)


def planned(request: ExportRequest, checkpoint: Checkpoint, builds: tuple[Build, ...]) -> ExportPlan:
    """Resolves what the request leaves to the checkpoint.

    Args:
        request: what was asked for.
        checkpoint: the trained network.
        builds: see `builds_here`.

    Raises:
        UsageError: a graph that takes HU has no window; or a network other than MiniSeg lacks a requested feature.
        StatisticsError: the normalisation is unknown.
        ExportError: a network other than MiniSeg does not accept the size.
    """
    said = request if checkpoint.training is None else _as_trained(request, checkpoint.training)
    if said.values == HU and said.window is None:
        raise UsageError(
            "a graph that takes HU needs a window", expected="--window LOW HIGH", got="none here or in the checkpoint"
        )
    terminal.say(f"{checkpoint.name}: {checkpoint.identity.name}, {checkpoint.identity.classes} classes")
    statistics, source = resolved_statistics(said.statistics, checkpoint)
    size = said.size or PUBLISHED_SIZE
    plan = ExportPlan(
        checkpoint=checkpoint,
        output=said.output,
        overwrite=said.overwrite,
        builds=builds,
        preprocessing=Preprocessing(GREY_MAX, statistics, source, size, "opencv-bilinear", said.window),
        interface=said.interface(checkpoint.identity.in_channels),
        limits=said.limits,
        validation=said.validation,
        labels=said.labels,
        calibration=said.calibration,
        quantization=said.quantization,
        slow_int8=said.slow_int8 or said.auto,  # auto measures it with the others, and keeps what is worthwhile
        seed=said.seed,
        auto=said.auto,
        tune=said.tune,
        engine_options=said.engine_options,
        serving=said.serving,
        signer=said.signer,
    )
    if checkpoint.architecture is None:
        _check_other_network(plan)
    return plan


def resolved_statistics(given: Statistics | None, checkpoint: Checkpoint) -> tuple[Statistics, str]:
    """The statistics to use and their source; given ones take precedence over the checkpoint's.

    Raises:
        StatisticsError: there are none.
    """
    if given is None and checkpoint.statistics is None:
        raise StatisticsError(
            f"the normalisation of {checkpoint.name} is unknown",
            expected="--mean and --std of its training slices",
            got="neither",
            remedy=(
                "They come from the training: the mean and std of each training slice on the 0..1 scale, averaged. "
                "Guessed values, such as ImageNet's, give wrong masks."
            ),
        )
    if given is None:
        assert checkpoint.statistics is not None  # noqa: S101
        return checkpoint.statistics, "checkpoint"
    if checkpoint.statistics not in (None, given):
        terminal.warn(
            f"the checkpoint says {checkpoint.statistics}, the command line {given}; the command line's are used"
        )
    return given, "command line"


def _as_trained(request: ExportRequest, training: TrainingRecord) -> ExportRequest:
    """With the checkpoint's own input size, window and channels if the request does not specify them."""
    side = training.recipe.size
    found = replace(
        request,
        size=request.size or (side, side),
        window=request.window or training.window,
        separate_channels=request.separate_channels or training.separate_channels,
    )
    if found != request:
        window = f", window {found.window.low_hu:g}..{found.window.high_hu:g} HU" if found.window is not None else ""
        channels = ", separate channels" if found.separate_channels else ""
        terminal.say(f"as trained: {side} x {side}{window}{channels}")
    return found


def _check_other_network(plan: ExportPlan) -> None:
    network = plan.checkpoint.network()
    assert isinstance(network, RegisteredNetwork)  # noqa: S101  only a MiniSeg has an architecture
    check_other_network(
        network,
        plan.size,
        tuple(build.target for build in plan.builds),
        int8=any(build.precision == "int8" for build in plan.builds),
        tune=plan.tune,
        dynamic_size=plan.interface.dynamic_size,
    )
