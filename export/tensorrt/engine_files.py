"""An engine's files and record for the bundle. Needs the vendor, a GPU if that builds on it, no torch, no onnx."""

from contextlib import nullcontext
from dataclasses import dataclass

from miniseg_edge.bundle.compiled import ARTEFACT, SOURCE, ShapeRange
from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.console import terminal
from miniseg_edge.errors import MissingDependencyError, RuntimeUnavailableError
from miniseg_edge.export.build import Build
from miniseg_edge.export.tensorrt.engine_from_onnx import EngineTask, engine_from_onnx
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu, gpu_named, gpus, has_driver, system
from miniseg_edge.runtimes.backends.cuda.primary import on_device
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor
from miniseg_edge.tensors import ANY

MOST_SLICES, SMALLEST_SIDE, LARGEST_SIDE = 4, 16, 1024
"""Maximum batch of an engine with free sides, unless the bundle's own size is larger.

A call of the largest shape reserves GPU memory for all of it, so this is small: slices are processed one by one, and
many at once in many calls.
"""


@dataclass(frozen=True)
class EngineFiles:
    """Files by their path in the bundle, in the order that the runtime expects, and the engine's record."""

    files: dict[str, bytes]
    record: EngineRecord


def engine_files(
    vendor: Vendor,
    onnx: bytes,
    manifest: Manifest,
    build: Build,
    *,
    quantized: tuple[str, ...] = (),
    options: EngineOptions,
    tell: Tell,
    timing_cache: bytes = b"",
) -> EngineFiles:
    """Builds an engine and its record.

    Args:
        vendor: whose.
        onnx: the model, in the requested precision.
        manifest: how it is fed.
        build: target and precision.
        quantized: names of the convolutions that must run in INT8.
        options: how to build.
        tell: told how far it is.
        timing_cache: of an earlier build.

    Raises:
        MissingDependencyError: the vendor's package is not installed.
        RuntimeUnavailableError: the vendor builds on the GPU, and there is none.
        ExportError and its subclasses: see `engine_from_onnx`.
    """
    folder = build.folder
    version = vendor.version()
    gpu = gpu_to_build_on(vendor, options.device)
    shapes = shape_range(manifest)
    task = EngineTask(onnx, build.precision, manifest.input, manifest.output, shapes, timing_cache, quantized)
    with nullcontext() if gpu is None else on_device(gpu.index):
        built = engine_from_onnx(vendor, task, options, tell)
    if built.activation_bytes and shapes is not None:
        terminal.say(
            f"{build}: a call takes up to {built.activation_bytes / 2**20:.0f} MB on the GPU, for {shapes.maximum}"
        )
    files = {f"{folder}/model.engine": built.data, f"{folder}/model.onnx": onnx}
    if built.timing_cache:
        files[f"{folder}/timing.cache"] = built.timing_cache
    record = EngineRecord(
        vendor=vendor.name,
        version=version,
        judged_on=SOURCE if gpu is None else ARTEFACT,
        system=system(),
        gpu="" if gpu is None else gpu.name,
        driver="" if gpu is None else gpu.driver,
        multiprocessors=0 if gpu is None else gpu.multiprocessors,
        memory_bytes=0 if gpu is None else gpu.memory_bytes,
        driver_version="" if gpu is None else gpu.driver_version,
        activation_bytes=built.activation_bytes,
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


def gpu_to_build_on(vendor: Vendor, device: str = "") -> Gpu | None:
    """The GPU that a vendor builds on, by its name or the first; None if it builds ahead of time.

    Raises:
        RuntimeUnavailableError: it builds on the GPU, and there is none, or none with that name.
        MissingDependencyError: the vendor's package is not installed.
    """
    if vendor.builds_ahead:
        vendor.module()
        return None
    try:
        gpu = _gpu_here(vendor, device)
    except RuntimeUnavailableError as error:
        raise RuntimeUnavailableError(
            f"--target {vendor.target} builds its engine on the GPU that will run it", because=error.summary,
            expected="an NVIDIA GPU in this machine",
            remedy="Build --target native or openvino, which need no GPU. For an engine, build --target trt-rtx here, "
            "which needs none either; then miniseg-export --rebuild BUNDLE --target trt on the machine with the GPU "
            "builds the other engine from it.",
        ) from error  # fmt: skip
    vendor.module()
    return gpu


def _gpu_here(vendor: Vendor, device: str) -> Gpu:
    """The GPU, sought before the vendor's package: without a GPU, its large download would be for nothing.

    Raises:
        As `gpu_to_build_on`.
    """
    try:
        return gpu_named(device) if device else gpus()[0]
    except MissingDependencyError:
        if not has_driver():
            raise RuntimeUnavailableError("there is no usable NVIDIA GPU", got="no NVIDIA driver") from None
        vendor.module()  # its extra also installs cuda-python
        raise


def shape_range(manifest: Manifest) -> ShapeRange | None:
    """The input shapes that an engine must support; None if they are fixed."""
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
