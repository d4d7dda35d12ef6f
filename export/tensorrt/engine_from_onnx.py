"""ONNX -> engine. One builder for every vendor in `VENDORS`, which is a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniseg_edge.admission.models import admit_onnx
from miniseg_edge.bundle.compiled import ShapeRange
from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import ExportError, InferenceError, MiniSegError, UsageError
from miniseg_edge.export.tensorrt.agreement import (
    check_engine,
    check_network,
    check_quantized,
    engine_precisions,
    network_precisions,
)
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell, progress_monitor
from miniseg_edge.runtimes.backends.tensorrt.logger import VendorLog, vendor_log
from miniseg_edge.runtimes.backends.tensorrt.opening import opened, started
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor
from miniseg_edge.tensors import TensorSpec

_log = logger_of(__name__)


@dataclass(frozen=True)
class EngineTask:
    """What to build.

    Attributes:
        onnx: the model; its types define the precision.
        precision: the intended one.
        input, output: which the engine must have.
        shapes: of the input, if it has free sides.
        timing_cache: of an earlier build on this GPU with this version, or empty.
        quantized: names of the convolutions that must run in INT8.
    """

    onnx: bytes
    precision: str
    input: TensorSpec
    output: TensorSpec
    shapes: ShapeRange | None = None
    timing_cache: bytes = b""
    quantized: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """The result: engine, timing cache (empty if the vendor has none), and the vendor's reports.

    `activation_bytes` is the GPU memory of a call with the largest shape; 0 if the engine cannot be opened.
    """

    data: bytes
    timing_cache: bytes
    flags: tuple[str, ...]
    hardware_compatibility: str
    workspace_bytes: int
    network_precisions: Mapping[str, int]
    engine_precisions: Mapping[str, int] | None
    activation_bytes: int = 0


def engine_from_onnx(vendor: Vendor, task: EngineTask, options: EngineOptions, tell: Tell) -> Engine:
    """Builds a strongly typed engine: each layer has the precision that the ONNX specifies.

    A vendor that builds ahead of time needs no GPU. The others build for the present GPU, and their engine is opened at
    once to inspect its layers.

    Raises:
        MissingDependencyError: the vendor's package is not installed.
        UsageError: a compute capability that the vendor does not know.
        RuntimeUnavailableError: the vendor's library cannot start.
        ExportError: the vendor cannot read or build the model, or built something other than requested.
        DeviceMemoryError, DeviceLostError: the GPU failed during the build.
        IncompatibleError, UnsafeModelError: the model is not admitted.
    """
    trt = vendor.module()
    log = vendor_log(trt)
    builder = started(vendor, trt.Builder, "builder")
    network = _network(trt, builder, task, log)
    config = builder.create_builder_config()
    _configure(trt, config, options, vendor)
    if task.shapes is not None:
        profile = builder.create_optimization_profile()
        profile.set_shape(task.input.name, task.shapes.minimum, task.shapes.optimum, task.shapes.maximum)
        config.add_optimization_profile(profile)
    if vendor.tunes and not _takes_timing_cache(config, task.timing_cache):
        tell("the timing cache is another GPU's or version's: every kernel is timed again")
        _takes_timing_cache(config, b"")
    config.progress_monitor = progress_monitor(trt, tell)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise _unbuilt(vendor, log)
    data = bytes(built)
    timing_cache = config.get_timing_cache() if vendor.tunes else None
    inspected = None if vendor.builds_ahead else _inspected(vendor, data, task, options)
    return Engine(
        data=data,
        timing_cache=b"" if timing_cache is None else bytes(timing_cache.serialize()),
        flags=_flags(trt, config, options),
        hardware_compatibility=config.hardware_compatibility_level.name if vendor.tunes else "",
        workspace_bytes=_workspace_bytes(trt, config, options) if vendor.tunes else 0,
        network_precisions=network_precisions(network),
        engine_precisions=None if inspected is None else inspected.precisions,
        activation_bytes=0 if inspected is None else inspected.activation_bytes,
    )


def _unbuilt(vendor: Vendor, log: VendorLog) -> MiniSegError:
    """The error for a failed build: the GPU's if it is lost or full, otherwise the export's."""
    found = log.failure(f"{vendor.title} cannot build the engine", "an engine")
    if type(found) is not InferenceError:
        return found
    remedy = _DECONVOLUTION if "deconv" in found.because.lower() else ""
    return ExportError(found.problem, expected=found.expected, because=found.because, remedy=remedy)


_DECONVOLUTION = (
    "It may have no kernel for a grouped transposed convolution in FP16: take --precision fp32, and report this with "
    "the GPU's name and the version."
)


def _network(trt: Any, builder: Any, task: EngineTask, log: VendorLog) -> Any:
    admit_onnx(task.onnx, task.input.shape if task.shapes is None else task.shapes.optimum)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log.handle)
    if not parser.parse(task.onnx):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise ExportError(
            "the vendor's parser rejects the ONNX", expected="a model that it reads", because=reasons[:300]
        )
    check_network(trt, network, (task.input, task.output), task.precision, task.quantized)
    return network


def _configure(trt: Any, config: Any, options: EngineOptions, vendor: Vendor) -> None:
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector would not report types
    for name, wanted in _wanted_flags(options).items():
        flag = getattr(trt.BuilderFlag, name)
        (config.set_flag if wanted else config.clear_flag)(flag)
    if vendor.tunes and options.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * 2**20)
    if vendor.tunes and options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if vendor.builds_ahead and options.compute_capabilities:
        config.num_compute_capabilities = len(options.compute_capabilities)
        for index, number in enumerate(options.compute_capabilities):
            known = trt.ComputeCapability.__members__
            if f"SM{number}" not in known:
                offered = ", ".join(name for name in known if name.startswith("SM"))
                raise UsageError(
                    f"{vendor.title} does not build for this compute capability", expected=offered, got=f"SM{number}"
                )
            if not config.set_compute_capability(known[f"SM{number}"], index):
                raise ExportError(f"{vendor.title} rejects a compute capability", expected="true", got=f"SM{number}")


def _takes_timing_cache(config: Any, stored: bytes) -> bool:
    cache = config.create_timing_cache(stored)
    return cache is not None and bool(config.set_timing_cache(cache, False))


def _wanted_flags(options: EngineOptions) -> dict[str, bool]:
    """Set explicitly: TF32 is on by default."""
    return {"TF32": options.tf32, "VERSION_COMPATIBLE": options.version_compatible}


def _flags(trt: Any, config: Any, options: EngineOptions) -> tuple[str, ...]:
    """The builder's active flags. Raises: ExportError if they are not the requested ones."""
    known = trt.BuilderFlag.__members__
    found = tuple(sorted(name for name, flag in known.items() if config.get_flag(flag)))
    wrong = [name for name, wanted in _wanted_flags(options).items() if (name in found) != wanted]
    if wrong:
        raise ExportError(
            "the builder ignored its flags", expected=str(_wanted_flags(options)), got=", ".join(found) or "none"
        )
    return found


def _workspace_bytes(trt: Any, config: Any, options: EngineOptions) -> int:
    """The builder's active workspace; 0 for the default. Raises: ExportError if it is not the requested size."""
    if options.workspace_mib is None:
        return 0
    wanted, found = options.workspace_mib * 2**20, int(config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE))
    if found != wanted:
        raise ExportError("the builder ignored the workspace", expected=f"{wanted} bytes", got=f"{found} bytes")
    return wanted


@dataclass(frozen=True)
class _Inspected:
    precisions: Mapping[str, int]
    activation_bytes: int


def _inspected(vendor: Vendor, data: bytes, task: EngineTask, options: EngineOptions) -> _Inspected:
    """Opens an engine where it was built, and compares it with the request.

    Raises:
        ExportError: it differs, or the inspector's report cannot be read.
        DeviceMemoryError, DeviceLostError, InferenceError: it cannot be opened.
    """
    trt = vendor.module()
    found = opened(vendor, data, version_compatible=options.version_compatible)
    inspector = found.engine.create_engine_inspector()
    context = None
    if task.shapes is not None:  # otherwise formats of free shapes are not reported
        context = found.engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None or not context.set_input_shape(task.input.name, task.shapes.optimum):
            raise found.log.failure("the engine does not take its optimum shape", str(task.shapes.optimum))
        inspector.execution_context = context
    said = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    precisions = engine_precisions(said)
    if precisions:
        check_engine(precisions, task.precision)
        check_quantized(said, task.quantized)
    else:
        _log.warning("the engine inspector names no types; those of the parsed network decide")
    return _Inspected(precisions, int(found.engine.get_device_memory_size_for_profile_v2(0)))
