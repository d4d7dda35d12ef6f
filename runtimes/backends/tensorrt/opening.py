"""Where engines are opened: for runs, and for a look at what was built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from miniseg_edge.runtimes.backends.tensorrt.admission import check_header
from miniseg_edge.runtimes.backends.tensorrt.logger import VendorLog, vendor_log
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor


@dataclass(frozen=True, eq=False)
class Opened:
    """A vendor's engine, and the runtime that it came from, which must live as long."""

    runtime: Any
    engine: Any
    log: VendorLog


def started(vendor: Vendor, make: Callable[[Any], Any], what: str) -> Any:
    """One of the vendor's objects that everything begins with, made from its logger.

    Where the library finds no driver that it can use it gives nothing, and its bindings raise a TypeError for that.

    Raises:
        RuntimeUnavailableError, DeviceLostError, DeviceMemoryError: with the reason in the library's log.
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
    """Opens an engine on the GPU that is current. An engine is native code: only verified bytes may come here.

    Args:
        vendor: whose.
        data: the engine.
        version_compatible: it carries a runtime of its own, which the vendor runs only where that is allowed.

    Raises:
        RuntimeUnavailableError: the vendor cannot start.
        IncompatibleError: a broken engine, or one of another version, GPU or driver, where the vendor can tell.
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
