"""Whether an engine may be opened here: its record is compared with this machine, then the vendor checks its header."""

from typing import Any

from miniseg_edge.bundle.compiled import SOURCE
from miniseg_edge.errors import IncompatibleError
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord
from miniseg_edge.runtimes.backends.tensorrt.logger import VendorLog
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor

AMPERE = "8.0"
_REBUILD = "Rebuild it on the machine that will run it: miniseg-export --rebuild BUNDLE"
_OTHERS = "Use TensorRT (miniseg-export --rebuild BUNDLE --target trt), or the runtime onnxruntime-cuda."


def check_record(vendor: Vendor, record: EngineRecord, *, version: str, system: str, gpu: Gpu) -> None:
    """Refuses an engine for another vendor, version, system or GPU.

    Raises:
        IncompatibleError: names what it was built for and what this machine has.
    """
    if record.vendor != vendor.name:
        raise IncompatibleError("the engine belongs to another vendor", expected=vendor.name, got=record.vendor)
    if not _serves(version, record):
        built, here = f"{vendor.title} {record.version}", f"{vendor.title} {version}"
        raise IncompatibleError("the engine was built with another version", expected=built, got=here, remedy=_REBUILD)
    if record.system != system and not vendor.moves_between_systems:
        raise IncompatibleError(
            "the engine was built on another system", expected=record.system, got=system, remedy=_REBUILD
        )
    check_served(vendor, gpu)
    here = _described(gpu)
    if vendor.builds_ahead or record.hardware_compatibility not in ("", "NONE"):
        named = () if not vendor.builds_ahead else record.compute_capabilities
        if gpu.compute_capability not in named if named else _number(gpu.compute_capability) < _number(AMPERE):
            wanted = ", ".join(named) or f"compute capability {AMPERE} or later"
            raise IncompatibleError("the engine was built for other GPUs", expected=wanted, got=here, remedy=_REBUILD)
    elif not _same(record, gpu):
        built = f"{record.gpu}, compute capability {', '.join(record.compute_capabilities)}"
        built += f", {record.multiprocessors} multiprocessors, {_mib(record.memory_bytes)} MiB"
        raise IncompatibleError("the engine was built on another GPU", expected=built, got=here, remedy=_REBUILD)


def _same(record: EngineRecord, gpu: Gpu) -> bool:
    """Whether the engine was built on such a GPU, as far as that is known: modules and laptops share names.

    Memory may differ by an eighth, because systems and drivers reserve varying amounts.
    """
    named = (record.gpu, record.compute_capabilities, record.multiprocessors)
    if named != (gpu.name, (gpu.compute_capability,), gpu.multiprocessors):
        return False
    return 8 * abs(record.memory_bytes - gpu.memory_bytes) <= record.memory_bytes


def check_served(vendor: Vendor, gpu: Gpu) -> None:
    """Refuses a GPU for which a vendor has no kernels.

    Raises:
        IncompatibleError: names what the vendor supports, and what supports this GPU.
    """
    if not vendor.serves(gpu.compute_capability):
        served = ", ".join(f"{number / 10:.1f}" for number in vendor.compute_capabilities)
        wanted = f"compute capability {served}, or a later one"
        raise IncompatibleError(
            f"{vendor.title} does not support this GPU", expected=wanted, got=_described(gpu), remedy=_OTHERS
        )


def check_header(vendor: Vendor, runtime: Any, log: VendorLog, data: bytes) -> None:
    """Asks the vendor's runtime, if it supports that, whether an engine is valid, before it is opened.

    Raises:
        IncompatibleError: broken, or for another version, GPU or driver; with the vendor's reasons.
    """
    if not vendor.builds_ahead:
        return  # TensorRT itself has no such check
    trt = vendor.module()
    validity, found = runtime.get_engine_validity(data)
    if validity == trt.EngineValidity.INVALID:
        known = trt.EngineInvalidityDiagnostics.__members__
        reasons = ", ".join(name for name, flag in known.items() if int(flag) & int(found))
        reasons = reasons or log.errors() or "no reason given"
        raise IncompatibleError(
            f"{vendor.title} rejects the engine",
            expected="an engine that can run here",
            because=reasons,
            remedy=_REBUILD,
        )


def must_replay(record: EngineRecord, *, version: str, gpu: Gpu) -> bool:
    """Whether this engine was never run here: it was built ahead of time, or GPU, driver or version differ."""
    if record.judged_on == SOURCE:
        return True
    seen = (record.version, record.gpu, record.multiprocessors, record.driver, record.driver_version)
    return seen != (version, gpu.name, gpu.multiprocessors, gpu.driver, gpu.driver_version)


def _described(gpu: Gpu) -> str:
    size = f"{gpu.multiprocessors} multiprocessors, {_mib(gpu.memory_bytes)} MiB"
    return f"{gpu.name}, compute capability {gpu.compute_capability}, {size}"


def _mib(size_bytes: int) -> int:
    return size_bytes // 2**20


def _serves(version: str, record: EngineRecord) -> bool:
    """A version opens its own engines, and version-compatible ones of its major version that are not newer."""
    if "VERSION_COMPATIBLE" in record.flags:
        here, built = _number(version), _number(record.version)
        return here[:1] == built[:1] and here >= built
    return version == record.version


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
