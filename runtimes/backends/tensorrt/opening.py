"""Opens engines, for runs and for inspection after a build."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from miniseg_edge.runtimes.backends.tensorrt.admission import check_header
from miniseg_edge.runtimes.backends.tensorrt.logger import VendorLog, vendor_log
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor


@dataclass(frozen=True, eq=False)
class Opened:
    """A vendor's engine and its runtime, which must live as long."""

    runtime: Any
    engine: Any
    log: VendorLog


def started(vendor: Vendor, make: Callable[[Any], Any], what: str) -> Any:
    """One of the vendor's root objects, made from its logger.

    Without a usable driver the library returns null, for which its bindings raise a TypeError.

    Raises:
        RuntimeUnavailableError, DeviceLostError, DeviceMemoryError: with the reason from the library's log.
    """
    log = vendor_log(vendor.module())
    try:
        found = make(log.handle)
    except (TypeError, RuntimeError) as error:
        raise log.unusable(f"{vendor.title} cannot start its {what}") from error
    if found is None:
        raise log.unusable(f"{vendor.title} cannot start its {what}")
    return found


def opened(vendor: Vendor, data: bytes, *, version_compatible: bool) -> Opened:
    """Opens an engine on the current GPU. An engine is native code: only pass verified bytes.

    Args:
        vendor: whose.
        data: the engine.
        version_compatible: it contains its own runtime, which the vendor only runs if that is allowed.

    Raises:
        RuntimeUnavailableError: the vendor cannot start.
        IncompatibleError: a broken engine, or one for another version, GPU or driver, if the vendor can tell.
        DeviceMemoryError, DeviceLostError, InferenceError: it cannot be opened.
    """
    trt = vendor.module()
    log = vendor_log(trt)
    runtime = started(vendor, trt.Runtime, "runtime")
    if version_compatible:
        runtime.engine_host_code_allowed = True
    check_header(vendor, runtime, log, data)
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise log.failure(f"{vendor.title} cannot open the engine", "an engine of this version and GPU")
    return Opened(runtime, engine, log)
