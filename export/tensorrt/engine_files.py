"""An engine as the bundle has it: files and record. Needs the vendor, a GPU if that builds on it, no torch, no onnx."""

from dataclasses import dataclass

from miniseg_edge.engine_record import ENGINE, ONNX, EngineRecord, ShapeRange
from miniseg_edge.export.tensorrt.engine_from_onnx import EngineTask, engine_from_onnx
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.manifest import Manifest
from miniseg_edge.runtimes.cuda.machine import Gpu, gpus, system
from miniseg_edge.runtimes.tensorrt.vendors import Vendor
from miniseg_edge.tensors import ANY

MOST_SLICES, SMALLEST_SIDE, LARGEST_SIDE = 32, 16, 1024
"""What an engine with free sides serves, unless the bundle's own size is larger."""


@dataclass(frozen=True)
class EngineFiles:
    """Files by their path in the bundle, in the order in which the runtime wants them, and the engine's record."""

    files: dict[str, bytes]
    record: EngineRecord


def engine_files(
    vendor: Vendor,
    onnx: bytes,
    manifest: Manifest,
    what: tuple[str, str],
    *,
    quantized: tuple[str, ...] = (),
    options: EngineOptions,
    tell: Tell,
    timing_cache: bytes = b"",
) -> EngineFiles:
    """Builds an engine and writes down how.

    Args:
        vendor: whose.
        onnx: the model, in the precision asked for.
        manifest: how it is fed.
        what: folder in the bundle, and precision.
        quantized: names of the convolutions that are to run in INT8.
        options: how to build.
        tell: told how far it is.
        timing_cache: of an earlier build.

    Raises:
        MissingDependencyError: the vendor's package is not installed.
        RuntimeUnavailableError: the vendor builds on the GPU, and there is none.
        ExportError and its kin: see `engine_from_onnx`.
    """
    folder, precision = what
    version = vendor.version()
    gpu = gpu_to_build_on(vendor)
    shapes = shape_range(manifest)
    task = EngineTask(onnx, precision, manifest.input, manifest.output, shapes, timing_cache, quantized)
    built = engine_from_onnx(vendor, task, options, tell)
    files = {f"{folder}/model.engine": built.data, f"{folder}/model.onnx": onnx}
    if built.timing_cache:
        files[f"{folder}/timing.cache"] = built.timing_cache
    record = EngineRecord(
        vendor=vendor.name,
        version=version,
        judged_on=ONNX if gpu is None else ENGINE,
        system=system(),
        gpu="" if gpu is None else gpu.name,
        driver="" if gpu is None else gpu.driver,
        compute_capabilities=_compute_capabilities(options, gpu),
        flags=built.flags,
        tf32="TF32" in built.flags,
        hardware_compatibility=built.hardware_compatibility,
        workspace_bytes=built.workspace_bytes,
        onnx=f"{folder}/model.onnx",
        timing_cache=f"{folder}/timing.cache" if built.timing_cache else None,
        network_precisions=dict(sorted(built.network_precisions.items())),
        engine_precisions=None if built.engine_precisions is None else dict(sorted(built.engine_precisions.items())),
        shapes=shapes,
        quantized=quantized,
    )
    return EngineFiles(files, record)


def gpu_to_build_on(vendor: Vendor) -> Gpu | None:
    """The GPU that a vendor builds on; None if it builds ahead of time.

    Raises:
        MissingDependencyError: the vendor's package is not installed.
        RuntimeUnavailableError: it builds on the GPU, and there is none.
    """
    vendor.module()
    return None if vendor.builds_ahead else gpus()[0]


def shape_range(manifest: Manifest) -> ShapeRange | None:
    """The input shapes that an engine is to serve; None if they are fixed."""
    shape, size = manifest.input.shape, manifest.preprocessing.size
    if ANY not in shape:
        return None
    free = [side == ANY for side in shape]
    ranges = (
        (1, SMALLEST_SIDE, SMALLEST_SIDE),
        (1, *size),
        (MOST_SLICES, *(max(LARGEST_SIDE, side) for side in size)),
    )
    found = []
    for batch, height, width in ranges:
        named = (batch, shape[1], height, width)
        found.append(tuple(n if is_free else side for n, is_free, side in zip(named, free, shape, strict=True)))
    return ShapeRange(*found)


def _compute_capabilities(options: EngineOptions, gpu: Gpu | None) -> tuple[str, ...]:
    if gpu is not None:
        return (gpu.compute_capability,)
    return tuple(f"{number // 10}.{number % 10}" for number in options.compute_capabilities)
