"""The measurements of one configuration, turn by turn."""

from dataclasses import dataclass, field
from typing import Any

from miniseg_edge.benchmarks.statistics import FloatSamples, Growth, growth
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.slices.preprocessing import ByteArray


@dataclass
class Measurement:
    """The measurements of one configuration so far; filled turn by turn."""

    configuration: Configuration
    cold_start_s: list[float] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    first_inference_ms: list[float] = field(default_factory=list)
    warm_up_slices: int = 0
    stages_ms: list[FloatSamples] = field(default_factory=list)
    memory_mb: list[FloatSamples] = field(default_factory=list)
    cpu_s: float = 0.0
    counted: int = 0
    offline_slices_per_s: list[float] = field(default_factory=list)
    burst_first_ms: list[float] = field(default_factory=list)
    burst_last_ms: list[float] = field(default_factory=list)
    studies: list[dict[str, Any]] = field(default_factory=list)
    peak_mb: float = 0.0
    masks: list[ByteArray] = field(default_factory=list)

    @property
    def rounds_ms(self) -> list[FloatSamples]:
        """End-to-end latencies by round."""
        return [stages.sum(axis=1) for stages in self.stages_ms]

    @property
    def busy_s(self) -> float:
        """Seconds that single-stream took, all rounds together."""
        return float(sum(samples.sum() for samples in self.rounds_ms)) / 1e3

    @property
    def memory_growth(self) -> Growth:
        """Slope of the resident memory in MB per minute of single-stream, within each process."""
        return growth(self.memory_mb)
