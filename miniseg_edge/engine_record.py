"""What the manifest says of an engine: compiled for one vendor's runtime, and as a rule for one GPU."""

from collections.abc import Mapping
from dataclasses import dataclass

ENGINE, ONNX = "engine", "onnx"
"""What parity was judged on: the engine itself, or the ONNX that it was built from."""


@dataclass(frozen=True)
class ShapeRange:
    """The input shapes that an engine with free sides serves, and the one that it is fastest at."""

    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]


@dataclass(frozen=True)
class EngineRecord:
    """How an engine was built, and what for. Its files' hashes are in the manifest's `files`.

    Attributes:
        vendor, version: whose, in full: `tensorrt` or `tensorrt_rtx`.
        judged_on: `engine`, on `gpu`; or `onnx` where it was built ahead of time: then nobody has seen this engine run,
            and the runtime replays the golden slices each time it opens it.
        system: operating system and processor that it was built on, such as `linux-x86_64`.
        gpu, driver: GPU and CUDA driver version that it was judged on; empty if it was not.
        compute_capabilities: such as `8.6`; none means the vendor's own choice.
        flags: the builder's, by their names, in alphabetical order.
        tf32: whether FP32 convolutions may round their inputs to 10 bits.
        hardware_compatibility: the vendor's level, or "" where it has none.
        workspace_bytes: what kernels were allowed; 0 is all that the GPU has.
        onnx: path of the ONNX that it was built from, and will be rebuilt from.
        timing_cache: path, or None where the vendor has none.
        network_precisions: layers of the network that the vendor's parser read, by the type of what they give.
        engine_precisions: layers of the engine, by the same, as its inspector says; None if no GPU could open it.
        shapes: of inputs, if there are free sides.
        quantized: names of the convolutions that run in INT8.
    """

    vendor: str
    version: str
    judged_on: str
    system: str
    gpu: str
    driver: str
    compute_capabilities: tuple[str, ...]
    flags: tuple[str, ...]
    tf32: bool
    hardware_compatibility: str
    workspace_bytes: int
    onnx: str
    timing_cache: str | None
    network_precisions: Mapping[str, int]
    engine_precisions: Mapping[str, int] | None
    shapes: ShapeRange | None
    quantized: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.judged_on not in (ENGINE, ONNX):
            raise ValueError(f"judged on {ENGINE} or {ONNX}")
