"""What an export is asked for. Importable without torch, so that a command can check its arguments first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.parity import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.preprocessing import Statistics, Window
from miniseg_edge.tensors import GREY, HU, LOGIT, MASK, GraphInterface

AUTO = "auto"
"""In the place of a precision: the one that pays on this machine."""

TARGETS = ("onnx", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")
"""From the most exact to the least."""

SUPPORTED = {"onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16", "int8")}
"""Precisions that each target can be built in."""

MIN_SIDE, MAX_SIDE = 16, 4096


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        checkpoint: path of the trained weights.
        output: directory that becomes the bundle.
        targets: of `TARGETS`, each once.
        precisions: of `PRECISIONS`, each once; a target is built in those that it supports.
        statistics: normalisation, or None to take the checkpoint's.
        window: HU window that the bundle offers, or None.
        size: (height, width) of the network's input in pixels.
        validation, labels: folders, or None for the demo phantoms.
        limits: for parity, by precision.
        values: "grey", or "hu" to have the window in the graph.
        result: "logit", or "mask" to have the threshold in the graph.
        separate_channels: whether slices come with the network's own channels rather than one grey one.
        dynamic_batch, dynamic_size: whether the graph takes any number of slices, and slices of any size.
        auto: whether to keep, of each target's precisions, only the one that pays most on this machine.
        calibration: folder of the slices that INT8 is fitted to, or None without INT8.
        quantization: plan to replay, or None to search for one.
        seed: of the draw among many calibration slices.
        tune: whether to measure the forms of the graph on this machine and take the fastest.
        overwrite: whether an existing bundle may be replaced.

    Raises:
        UsageError: a size, target or precision that cannot be, or labels without slices.
    """

    checkpoint: Path
    output: Path
    targets: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32",)
    statistics: Statistics | None = None
    window: Window | None = None
    size: tuple[int, int] = (512, 512)
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
    seed: int = 0
    tune: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in self.size):
            got = f"{self.size[0]} x {self.size[1]}"
            raise UsageError("the input size makes no sense", f"{MIN_SIDE}..{MAX_SIDE} pixels a side", got)
        if not self.targets or len(set(self.targets)) != len(self.targets) or not set(self.targets) <= set(TARGETS):
            raise UsageError(
                "the targets make no sense",
                f"each of {', '.join(TARGETS)} at most once",
                ", ".join(self.targets),
            )
        if not self.precisions or len(set(self.precisions)) != len(self.precisions):
            raise UsageError("the precisions make no sense", "each at most once", ", ".join(self.precisions))
        for precision in self.precisions:
            if not any(precision in SUPPORTED[target] for target in self.targets):
                able = ", ".join(target for target, can in SUPPORTED.items() if precision in can) or "no target"
                raise UsageError(f"nothing can be built in {precision}", f"one of: {able}", ", ".join(self.targets))
        for target in self.targets:
            if not set(SUPPORTED[target]) & set(self.precisions):
                raise UsageError(
                    f"{target} cannot be built",
                    f"a precision of {', '.join(SUPPORTED[target])}",
                    ", ".join(self.precisions),
                )
        if self.values not in (GREY, HU) or self.result not in (LOGIT, MASK):
            got = f"{self.values}, {self.result}"
            raise UsageError("no such graph", f"values {GREY} or {HU}, a result {LOGIT} or {MASK}", got)
        if self.values == HU and self.window is None:
            raise UsageError("a graph that takes HU needs a window", "--window LOW HIGH", "none")
        if self.labels is not None and self.validation is None:
            raise UsageError("labels without slices", "--validation DIR beside --labels DIR", "--labels alone")
        self._check_int8()

    def _check_int8(self) -> None:
        wanted = "int8" in self.precisions
        if wanted and self.calibration is None:
            raise UsageError(
                "INT8 needs slices to be fitted to", "--calibration DIR", "none",
                "Twenty or more slices like those it will see, none of which it is judged on.",
            )  # fmt: skip
        if not wanted and (self.calibration is not None or self.quantization is not None):
            raise UsageError("calibration without INT8", "--precision int8", ", ".join(self.precisions))
        if wanted and (self.dynamic_batch or self.dynamic_size):
            raise UsageError(
                "INT8 needs fixed shapes", "no --dynamic-batch, no --dynamic-size", "one of them",
                "OpenVINO's INT8 with free shapes has crashed on CPUs with AMX.",
            )  # fmt: skip

    def interface(self, in_channels: int) -> GraphInterface:
        """How the graph of a network with `in_channels` is fed and what it answers."""
        channels = in_channels if self.separate_channels else 1
        return GraphInterface(self.values, self.result, channels, self.dynamic_batch, self.dynamic_size)

    @property
    def builds(self) -> tuple[tuple[str, str], ...]:
        """The artefacts to build: (target, precision)."""
        return tuple((t, p) for t in self.targets for p in self.precisions if p in SUPPORTED[t])
