"""What an export is asked for. Importable without torch, so that a command can check its arguments first."""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.parity import ParityLimits
from miniseg_edge.preprocessing import Statistics, Window

TARGETS = ("onnx", "openvino")
PRECISIONS = ("fp32", "bf16")
MIN_SIDE, MAX_SIDE = 16, 4096


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        checkpoint: path of the trained weights.
        output: directory that becomes the bundle.
        targets: of `TARGETS`, each once.
        precision: of `PRECISIONS`.
        statistics: normalisation, or None to take the checkpoint's.
        window: HU window that the bundle offers, or None.
        size: (height, width) of the network's input in pixels.
        validation, labels: folders, or None for the demo phantoms.
        limits: for parity, or None for the precision's own (`DEFAULT_LIMITS`).
        tune: whether to measure the forms of the graph on this machine and take the fastest.
        overwrite: whether an existing bundle may be replaced.

    Raises:
        UsageError: a size, target or precision that cannot be, or labels without slices.
    """

    checkpoint: Path
    output: Path
    targets: tuple[str, ...]
    precision: str = "fp32"
    statistics: Statistics | None = None
    window: Window | None = None
    size: tuple[int, int] = (512, 512)
    validation: Path | None = None
    labels: Path | None = None
    limits: ParityLimits | None = None
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
        if self.precision not in PRECISIONS:
            raise UsageError("unknown precision", ", ".join(PRECISIONS), self.precision)
        if self.precision != "fp32" and set(self.targets) != {"openvino"}:
            raise UsageError(
                f"{self.precision} is a matter of OpenVINO", "--target openvino alone", ", ".join(self.targets)
            )
        if self.labels is not None and self.validation is None:
            raise UsageError("labels without slices", "--validation DIR beside --labels DIR", "--labels alone")
