"""`networks.json`: the result of `miniseg-bench networks`. `docs/networks.md` describes each field."""

from dataclasses import dataclass

from miniseg_edge.benchmarks.report import Failure, Machine, Method
from miniseg_edge.benchmarks.statistics import Distribution, Ratio

NETWORKS_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class NetworkResult:
    """One network on one runtime in one precision.

    Attributes:
        name: unique in the report: the network's label, runtime and precision.
        label: the checkpoint's file stem or, if these are equal, its folder; for random weights the registered name.
        network: the registered name, or a MiniSeg's preset.
        trained: whether its weights came from a checkpoint; random ones say nothing about accuracy.
        runtime, precision, form: what ran.
        parameters: of the network as it is deployed.
        macs: multiplications of its convolutions by non-zero weights, for one slice.
        model_mb: size of the model's files.
        latency: of a slice, end to end, single-stream, in ms; infer: of the network alone.
        throughput_slices_per_s: offline if that was run, otherwise single-stream.
        peak_rss_mb: highest resident memory of the process, from its start.
        cold_start_s: from process start to the first mask, one value per start.
        parity_dice_worst, parity_flips: against the network in torch, at export.
        mean_iou, dice: against labels, over all pixels and mean over slices; None without labels or training.
        relative: p50 of the first network in this runtime and precision over this p50; None for itself, and if that is
            missing.
        rounds_ms: every end-to-end sample, by round.
    """

    name: str
    label: str
    network: str
    trained: bool
    runtime: str
    precision: str
    form: str
    parameters: int
    macs: int
    model_mb: float
    latency: Distribution
    infer: Distribution
    throughput_slices_per_s: float
    peak_rss_mb: float
    cold_start_s: tuple[float, ...]
    parity_dice_worst: float
    parity_flips: int
    mean_iou: float | None
    dice: float | None
    relative: Ratio | None
    rounds_ms: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class NetworksReport:
    """The whole report.

    Attributes:
        schema_version: 1.
        created: ISO 8601, UTC.
        machine: where it ran.
        method: how it was measured; `size` is that of the networks' input.
        results: in the order of the networks.
        failures: what could not be exported or measured, and why.
    """

    schema_version: int
    created: str
    machine: Machine
    size: tuple[int, int]
    method: Method
    results: tuple[NetworkResult, ...]
    failures: tuple[Failure, ...]

    @property
    def accuracy_known(self) -> bool:
        """Whether any network was judged against labels."""
        return any(result.mean_iou is not None for result in self.results)
