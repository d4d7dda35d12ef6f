"""The request for an export. Importable without torch, so that a command can check its arguments first."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from miniseg_edge.bundle.signature import Signer
from miniseg_edge.errors import UsageError
from miniseg_edge.export.build import Build
from miniseg_edge.export.serving.options import Serving
from miniseg_edge.export.targets import Target, able_to, served_by, target_named, targets
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, COMPUTE_CAPABILITIES, NAMES_OF_OPTIONS, EngineOptions
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.slices.preprocessing import Statistics, Window
from miniseg_edge.tensors import GREY, HU, LOGIT, MASK, GraphInterface

AUTO = "auto"
"""A pseudo-precision: the most worthwhile one on this machine."""

MIN_SIDE, MAX_SIDE = 16, 4096
PUBLISHED_SIZE = (512, 512)


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        checkpoint: path of the trained weights.
        output: directory that becomes the bundle.
        targets: of `targets()`, each once.
        precisions: of `PRECISIONS`, without duplicates; a target is built in those that it supports. None is each
            target's
            default: FP16 for engines, FP32 for the others.
        statistics: normalisation, or None to use the checkpoint's.
        window: HU window that the bundle offers; None: the checkpoint's own, if it has one.
        size: (height, width) of the network's input in pixels; None: as trained, or 512 x 512 if that is unknown.
        validation, labels: folders, or None for the demo phantoms.
        limits: for parity, by precision.
        values: "grey", or "hu" to include the window in the graph.
        result: "logit", or "mask" to include the threshold in the graph.
        separate_channels: whether slices have the network's own channels rather than one grey one.
        dynamic_batch, dynamic_size: whether the graph takes any number of slices, and slices of any size.
        auto: whether to keep only the most worthwhile of each target's precisions on this machine.
        calibration: folder of the calibration slices, or None without INT8.
        quantization: plan to replay, or None to search for one; TensorRT uses a rule instead of a search.
        slow_int8: whether to build INT8 even if a search finds it no faster than FP32.
        seed: selects among many calibration slices.
        tune: whether to time the forms of the graph on this machine and use the fastest.
        engine_options: how to build `trt` and `trt-rtx`.
        serving: model servers for which the bundle gets layouts, or None.
        signer: signs the bundle; None leaves it unsigned.
        overwrite: whether an existing bundle may be replaced.

    Raises:
        UsageError: an invalid size, target or precision, a server that cannot serve it, or labels without slices.
    """

    checkpoint: Path
    output: Path
    targets: tuple[str, ...]
    precisions: tuple[str, ...] | None = None
    statistics: Statistics | None = None
    window: Window | None = None
    size: tuple[int, int] | None = None
    validation: Path | None = None
    labels: Path | None = None
    limits: Mapping[str, ParityLimits] = field(default_factory=lambda: DEFAULT_LIMITS)
    values: str = GREY
    result: str = LOGIT
    separate_channels: bool = False
    dynamic_batch: bool = False
    dynamic_size: bool = False
    auto: bool = False
    calibration: Path | None = None
    quantization: Path | None = None
    slow_int8: bool = False
    seed: int = 0
    tune: bool = False
    engine_options: EngineOptions = BY_DEFAULT
    serving: Serving | None = None
    signer: Signer | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not all(MIN_SIDE <= side <= MAX_SIDE for side in self.size):
            got = f"{self.size[0]} x {self.size[1]}"
            raise UsageError("the input size is invalid", expected=f"{MIN_SIDE}..{MAX_SIDE} pixels a side", got=got)
        if not self.targets or len(set(self.targets)) != len(self.targets) or not set(self.targets) <= set(targets()):
            raise UsageError(
                "the targets are invalid",
                expected=f"each of {', '.join(targets())} at most once",
                got=", ".join(self.targets),
            )
        self._check_precisions()
        if self.values not in (GREY, HU) or self.result not in (LOGIT, MASK):
            got = f"{self.values}, {self.result}"
            raise UsageError(
                "the graph interface is invalid", expected=f"values {GREY} or {HU}, a result {LOGIT} or {MASK}", got=got
            )
        self._check_engine_options()
        self._check_serving()
        self._check_int8()
        if self.labels is not None and self.validation is None:
            raise UsageError("labels need slices", expected="--validation DIR with --labels DIR", got="only --labels")
        if self.labels is None and any(limits.min_reference_iou is not None for limits in self.limits.values()):
            raise UsageError("an mIoU needs labels", expected="--labels DIR with --min-reference-iou", got="no labels")

    def _check_precisions(self) -> None:
        if self.precisions is None:
            return
        if not self.precisions or len(set(self.precisions)) != len(self.precisions):
            raise UsageError("the precisions are invalid", expected="each at most once", got=", ".join(self.precisions))
        rows = self._rows
        for precision in self.precisions:
            if any(precision in row.precisions for row in rows):
                continue
            for row in rows:
                if precision in row.refused:
                    raise UsageError(f"{row.name} cannot be built in {precision}", because=row.refused[precision])
            able = ", ".join(able_to(precision)) or "no target"
            raise UsageError(
                f"no target can be built in {precision}", expected=f"one of: {able}", got=", ".join(self.targets)
            )
        for row in rows:
            if not row.builds(self.precisions):
                wanted = f"a precision of {', '.join(row.precisions)}"
                raise UsageError(f"{row.name} cannot be built", expected=wanted, got=", ".join(self.precisions))

    def _check_int8(self) -> None:
        wanted = any(build.precision == "int8" for build in self.builds)
        if wanted and self.calibration is None:
            raise UsageError(
                "INT8 needs calibration slices", expected="--calibration DIR", got="none",
                remedy="Use 20 or more representative slices that are not used for validation.",
            )  # fmt: skip
        if not wanted and (self.calibration is not None or self.quantization is not None):
            got = ", ".join(self.precisions or ("none",))
            raise UsageError("calibration slices are only used by INT8", expected="--precision int8", got=got)
        if wanted and (self.dynamic_batch or self.dynamic_size):
            raise UsageError(
                "INT8 needs fixed shapes", expected="no --dynamic-batch, no --dynamic-size", got="one of them",
                remedy=(
                    "INT8 is calibrated at one size, and OpenVINO's INT8 with free "
                    "shapes has crashed on CPUs with AMX."
                ),
            )  # fmt: skip
        if self.auto and not all(row.on_cpu for row in self._rows):
            able = " or ".join(name for name, row in targets().items() if row.on_cpu)
            raise UsageError("auto only chooses among targets for CPUs", expected=able, got=", ".join(self.targets))

    def _check_serving(self) -> None:
        if self.serving is None:
            return
        for layout in self.serving.layouts:
            if not set(served_by(layout)) & set(self.targets):
                got = ", ".join(self.targets)
                raise UsageError(
                    f"{layout} serves none of the targets", expected=f"one of {', '.join(served_by(layout))}", got=got
                )
        if any(build.precision == "int8" for build in self.builds):
            raise UsageError(
                "INT8 cannot be served", expected="--precision fp32 or bf16", got="int8",
                remedy="INT8 has fixed shapes, but a server batches the slices of its clients.",
            )  # fmt: skip
        if not self.dynamic_batch:
            raise UsageError(
                "a server needs a graph with a dynamic batch",
                expected="a graph for any number of slices",
                got="one slice at once",
            )

    def _check_engine_options(self) -> None:
        options = self.engine_options
        named = set(options.compute_capabilities)
        if len(named) != len(options.compute_capabilities) or not named <= set(COMPUTE_CAPABILITIES):
            offered, got = (", ".join(map(str, n)) for n in (COMPUTE_CAPABILITIES, options.compute_capabilities))
            raise UsageError(
                "the compute capabilities are invalid", expected=f"each of {offered} at most once", got=got
            )
        if options.workspace_mib is not None and options.workspace_mib < 1:
            raise UsageError("the workspace is invalid", expected="at least 1 MiB", got=f"{options.workspace_mib}")
        taken = frozenset[str]().union(*(row.options for row in self._rows))
        for name in (option.name for option in fields(options)):
            if getattr(options, name) != getattr(BY_DEFAULT, name) and name not in taken:
                wanted = " or ".join(f"--target {row.name}" for row in targets().values() if name in row.options)
                got = ", ".join(self.targets)
                raise UsageError(f"none of the targets takes {NAMES_OF_OPTIONS[name]}", expected=wanted, got=got)
        if self.tune and not all(row.on_cpu for row in self._rows):
            wanted = f"--tune with {' or '.join(name for name, row in targets().items() if row.on_cpu)} alone"
            raise UsageError("--tune only applies to targets for CPUs", expected=wanted, got=", ".join(self.targets))

    def interface(self, in_channels: int) -> GraphInterface:
        """The inputs and outputs of the graph of a network with `in_channels`."""
        channels = in_channels if self.separate_channels else 1
        return GraphInterface(self.values, self.result, channels, self.dynamic_batch, self.dynamic_size)

    @property
    def builds(self) -> tuple[Build, ...]:
        """The artefacts to build."""
        return tuple(build for row in self._rows for build in row.builds(self.precisions))

    @property
    def _rows(self) -> tuple[Target, ...]:
        return tuple(target_named(name) for name in self.targets)
