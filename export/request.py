"""What an export is asked for. Importable without torch, so that a command can check its arguments first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.parity import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.preprocessing import Statistics, Window

TARGETS = ("onnx", "openvino")
PRECISIONS = ("fp32", "bf16")
SUPPORTED = {"onnx": ("fp32",), "openvino": ("fp32", "bf16")}
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
        if self.labels is not None and self.validation is None:
            raise UsageError("labels without slices", "--validation DIR beside --labels DIR", "--labels alone")

    @property
    def builds(self) -> tuple[tuple[str, str], ...]:
        """The artefacts to build: (target, precision)."""
        return tuple((t, p) for t in self.targets for p in self.precisions if p in SUPPORTED[t])
