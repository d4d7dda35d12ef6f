"""ONNX -> engine. One builder for every vendor of `VENDORS`, which it takes as a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniseg_edge.engine_record import ShapeRange
from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.tensorrt.agreement import (
    check_engine,
    check_network,
    check_quantized,
    engine_precisions,
    network_precisions,
)
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell, progress_monitor
from miniseg_edge.onnx_file import check_self_contained
from miniseg_edge.runtimes.tensorrt.logger import VendorLog
from miniseg_edge.runtimes.tensorrt.vendors import Vendor
from miniseg_edge.tensors import TensorSpec


@dataclass(frozen=True)
class EngineTask:
    """What to build.

    Attributes:
        onnx: the model; its types are the precision.
        precision: what they are meant to be.
        input, output: what the engine must take and give.
        shapes: of the input, if it has free sides.
        timing_cache: of an earlier build on this GPU with this version, or empty.
        quantized: names of the convolutions that are to run in INT8.
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
    """What came out: engine, timing cache (empty where the vendor has none), and what the vendor says of them."""

    data: bytes
    timing_cache: bytes
    flags: tuple[str, ...]
    hardware_compatibility: str
    workspace_bytes: int
    network_precisions: Mapping[str, int]
    engine_precisions: Mapping[str, int] | None


def engine_from_onnx(vendor: Vendor, task: EngineTask, options: EngineOptions, tell: Tell) -> Engine:
    """Builds a strongly typed engine: each layer has the precision that the ONNX gives it.

    A vendor that builds ahead of time needs no GPU; the others build for the GPU that is there, and their engine is
    opened at once to see what its layers became.

    Raises:
        MissingDependencyError: the vendor's package is not installed.
        UsageError: a compute capability that the vendor does not know.
        ExportError: the vendor cannot read or build the model, or built something else than was asked for.
    """
    trt = vendor.module()
    log = VendorLog(trt)
    builder = trt.Builder(log.handle)
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
        raise ExportError(f"{vendor.title} cannot build the engine", "an engine", log.errors() or "no reason given")
    data = bytes(built)
    timing_cache = config.get_timing_cache() if vendor.tunes else None
    return Engine(
        data=data,
        timing_cache=b"" if timing_cache is None else bytes(timing_cache.serialize()),
        flags=_flags(trt, config, options),
        hardware_compatibility=config.hardware_compatibility_level.name if vendor.tunes else "",
        workspace_bytes=_workspace_bytes(trt, config, options) if vendor.tunes else 0,
        network_precisions=network_precisions(network),
        engine_precisions=None if vendor.builds_ahead else _inspected(trt, data, task, log),
    )


def _network(trt: Any, builder: Any, task: EngineTask, log: VendorLog) -> Any:
    check_self_contained(task.onnx)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log.handle)
    if not parser.parse(task.onnx):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise ExportError("the vendor's parser refuses the ONNX", "a model that it reads", reasons[:300])
    check_network(trt, network, (task.input, task.output), task.precision, task.quantized)
    return network


def _configure(trt: Any, config: Any, options: EngineOptions, vendor: Vendor) -> None:
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector would not say types
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
                raise UsageError(f"{vendor.title} builds for no such compute capability", offered, f"SM{number}")
            if not config.set_compute_capability(known[f"SM{number}"], index):
                raise ExportError(f"{vendor.title} refuses a compute capability", "true", f"SM{number}")


def _takes_timing_cache(config: Any, stored: bytes) -> bool:
    cache = config.create_timing_cache(stored)
    return cache is not None and bool(config.set_timing_cache(cache, False))


def _wanted_flags(options: EngineOptions) -> dict[str, bool]:
    """Said outright, because TF32 is on where nothing is said."""
    return {"TF32": options.tf32, "VERSION_COMPATIBLE": options.version_compatible}


def _flags(trt: Any, config: Any, options: EngineOptions) -> tuple[str, ...]:
    """The builder's flags as it has them. Raises: ExportError if they are not those that were asked for."""
    known = trt.BuilderFlag.__members__
    found = tuple(sorted(name for name, flag in known.items() if config.get_flag(flag)))
    wrong = [name for name, wanted in _wanted_flags(options).items() if (name in found) != wanted]
    if wrong:
        raise ExportError("the builder did not take its flags", str(_wanted_flags(options)), ", ".join(found) or "none")
    return found


def _workspace_bytes(trt: Any, config: Any, options: EngineOptions) -> int:
    """What was asked for, as the builder has it; 0 if nothing was. Raises: ExportError if it took another size."""
    if options.workspace_mib is None:
        return 0
    wanted, found = options.workspace_mib * 2**20, int(config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE))
    if found != wanted:
        raise ExportError("the builder did not take the workspace", f"{wanted} bytes", f"{found} bytes")
    return wanted


def _inspected(trt: Any, data: bytes, task: EngineTask, log: VendorLog) -> Mapping[str, int]:
    runtime = trt.Runtime(log.handle)
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise ExportError("the engine cannot be opened where it was built", "an engine", log.errors())
    inspector = engine.create_engine_inspector()
    inspected = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    found = engine_precisions(inspected)
    check_engine(found, task.precision)
    check_quantized(inspected, task.quantized)
    return found
