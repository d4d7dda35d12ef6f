"""The manifest's record of an engine: compiled for one vendor's runtime, and usually for one GPU."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from miniseg_edge.bundle.compiled import ARTEFACT, SOURCE, Compiled, Requirements, ShapeRange
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.bundle.records import record_from_object
from miniseg_edge.errors import BundleError
from miniseg_edge.runtimes.backends.tensorrt.vendors import VENDORS

_OPTIONS = ("flags", "tf32", "hardware_compatibility", "workspace_bytes")
_COMMON = ("vendor", "version", "judged_on", "system", "gpu", "compute_capabilities", "onnx", "timing_cache", "shapes")


@dataclass(frozen=True)
class EngineRecord:
    """How and for what an engine was built. Its files' hashes are in the manifest's `files`.

    Attributes:
        vendor, version: the full version of `tensorrt` or `tensorrt_rtx`.
        judged_on: `artefact`, on `gpu`; or `source`, the ONNX, if it was built ahead of time.
        system: operating system and processor of the build, such as `linux-x86_64`.
        gpu, driver: GPU and CUDA driver version on which it was judged; empty if it was not.
        multiprocessors, memory_bytes, driver_version: of that GPU and its driver; 0 and empty as above.
        activation_bytes: GPU memory of the largest shape per running call; 0 if no GPU could open it.
        compute_capabilities: such as `8.6`; empty for the vendor's own choice.
        flags: the builder's flags by name, in alphabetical order.
        tf32: whether FP32 convolutions may round their inputs to 10 bits.
        hardware_compatibility: the vendor's level, or "" if it has none.
        workspace_bytes: limit for kernels; 0 is all of the GPU's memory.
        onnx: path of the ONNX from which it was built, and can be rebuilt.
        timing_cache: path, or None if the vendor has none.
        network_precisions: number of layers in the parsed network, by output type.
        engine_precisions: number of layers in the engine, by output type, from its inspector; None if no GPU could open
            it, empty if the inspector names no types: then `network_precisions` decided.
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
    multiprocessors: int = 0
    memory_bytes: int = 0
    driver_version: str = ""
    activation_bytes: int = 0

    def __post_init__(self) -> None:
        if self.judged_on not in (ARTEFACT, SOURCE):
            raise ValueError(f"judged on {ARTEFACT} or {SOURCE}")

    def compiled(self) -> Compiled:
        """The same in the manifest's format."""
        values = json.loads(json.dumps(asdict(self)))
        return Compiled(
            kind=self.vendor,
            version=self.version,
            is_code=True,
            judged_on=self.judged_on,
            sources=(self.onnx,) if self.timing_cache is None else (self.onnx, self.timing_cache),
            requires=Requirements(self.system, (), self.gpu, self.compute_capabilities),
            shapes=self.shapes,
            options={name: values[name] for name in _OPTIONS},
            details={name: value for name, value in values.items() if name not in (*_OPTIONS, *_COMMON)},
        )


def engine_record(artifact: Artifact) -> EngineRecord | None:
    """The record of an artefact that is an engine, or None.

    Raises:
        BundleError: something in it is missing or has a wrong type.
    """
    compiled = artifact.compiled
    if compiled is None or compiled.kind not in (vendor.name for vendor in VENDORS):
        return None
    requires, sources = compiled.requires, compiled.sources
    values = {
        **compiled.details,
        **compiled.options,
        "vendor": compiled.kind,
        "version": compiled.version,
        "judged_on": compiled.judged_on,
        "system": requires.system,
        "gpu": requires.gpu,
        "compute_capabilities": list(requires.compute_capabilities),
        "onnx": sources[0] if sources else "",
        "timing_cache": sources[1] if len(sources) > 1 else None,
        "shapes": None if compiled.shapes is None else json.loads(json.dumps(asdict(compiled.shapes))),
    }
    return record_from_object(EngineRecord, values, f"{artifact.target} {artifact.precision}: engine")


def engine_of(artifact: Artifact) -> EngineRecord:
    """Like `engine_record`, for an artefact that must be an engine. Raises: BundleError."""
    if (record := engine_record(artifact)) is None:
        raise BundleError(
            f"the {artifact.target} artefact is not an engine", expected="a record from miniseg-export", got="none"
        )
    return record
