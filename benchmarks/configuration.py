"""What is measured: artefacts of the bundle, and the peers that people would use without us."""

from dataclasses import dataclass

ARTIFACT = "artifact"

TORCH_CUDA, TORCH_CUDA_GRAPH, ONNX_CUDA = "torch-cuda", "torch-cuda-graph", "plain-onnx-cuda"
CUDA_PEERS = (TORCH_CUDA, TORCH_CUDA_GRAPH, ONNX_CUDA)
"""Kinds of peers that need a GPU."""


@dataclass(frozen=True)
class Configuration:
    """One row of the report, measured in a process of its own.

    Attributes:
        name: unique in a report.
        kind: "artifact", or the peer's kind, a key of `miniseg_edge.benchmarks.subjects`.
        runtime: "openvino", "onnxruntime" or "torch".
        precision: "fp32", "bf16", "int8", ...
        source: path of the bundle, or of the peer's model file.
        artifact: what the report calls it: a path in the bundle, or how the peer was made.
        threads: of the runtime; None leaves its default.
        delay_ms: a known delay added to each inference; how the instrument's self-check slows a runtime down.
        leak_kb: memory kept from each slice on purpose; how the self-check plants a leak.
        leak: planted in each turn of a soak, a key of `leaks.LEAKS`; "" as a rule.
    """

    name: str
    kind: str
    runtime: str
    precision: str
    source: str
    artifact: str = ""
    threads: int | None = None
    delay_ms: float = 0.0
    leak_kb: int = 0
    leak: str = ""
