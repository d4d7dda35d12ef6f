"""CUDA through `cuda-python`: every return code is looked at, and each becomes an error of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from miniseg_edge.dependencies import require
from miniseg_edge.errors import DeviceLostError, DeviceMemoryError, InferenceError, RuntimeUnavailableError

EXTRA = "tensorrt-rtx"
"""Installs `cuda-python`; the extra `tensorrt` does too, but also wants a package that cannot be had everywhere."""

_NO_MEMORY = {"cudaErrorMemoryAllocation"}
_NO_DRIVER = {
    "cudaErrorInsufficientDriver",
    "cudaErrorNoDevice",
    "cudaErrorInitializationError",
    "cudaErrorStubLibrary",
    "cudaErrorSystemDriverMismatch",
    "cudaErrorSystemNotReady",
    "cudaErrorCompatNotSupportedOnDevice",
}
# After these the process's CUDA context is gone; only a new process, or a repaired machine, goes on.
_LOST = {
    "cudaErrorAssert",
    "cudaErrorContextIsDestroyed",
    "cudaErrorDevicesUnavailable",
    "cudaErrorDeviceUninitialized",
    "cudaErrorECCUncorrectable",
    "cudaErrorExternalDevice",
    "cudaErrorHardwareStackError",
    "cudaErrorIllegalAddress",
    "cudaErrorIllegalInstruction",
    "cudaErrorInvalidAddressSpace",
    "cudaErrorInvalidPc",
    "cudaErrorLaunchFailure",
    "cudaErrorLaunchTimeout",
    "cudaErrorMisalignedAddress",
    "cudaErrorMpsConnectionFailed",
    "cudaErrorNvlinkUncorrectable",
    "cudaErrorTensorMemoryLeak",
    "cudaErrorUnknown",
}


def cuda_runtime() -> Any:
    """`cuda.bindings.runtime`. Raises: MissingDependencyError."""
    return require("cuda.bindings.runtime", EXTRA)


def checked(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Calls a function of `cuda_runtime()`: its one result, or None if it has none.

    Raises:
        RuntimeUnavailableError: no driver, or none that this CUDA can use, or no GPU.
        DeviceMemoryError: the GPU, or pinned host memory, is exhausted; the next call may succeed.
        DeviceLostError: the GPU failed; this process cannot use it again.
        InferenceError: anything else.
    """
    status, *results = function(*arguments)
    if int(status) != 0:
        raise error_of(function.__name__, status.name, _explained(status))
    return results[0] if results else None


@contextmanager
def on_device(index: int) -> Iterator[None]:
    """Makes a GPU this thread's own for a while: the thread is the host application's, and may use another one.

    Raises:
        RuntimeUnavailableError, DeviceLostError, InferenceError: see `checked`.
    """
    cuda = cuda_runtime()
    before = checked(cuda.cudaGetDevice)
    if before == index:
        yield
        return
    checked(cuda.cudaSetDevice, index)
    try:
        yield
    finally:
        cuda.cudaSetDevice(before)  # unchecked: an error on the way out is the one to report


def error_of(call: str, status: str, explained: str) -> InferenceError | RuntimeUnavailableError:
    """The error for a status by its name in `cudaError_t`."""
    got = f"{status} ({explained})" if explained else status
    if status in _NO_DRIVER:
        return RuntimeUnavailableError(
            "there is no NVIDIA GPU that can be used here", "a GPU, and a driver as new as CUDA wants it", got,
            "Install or update the NVIDIA driver; in a container, hand the GPU in.",
        )  # fmt: skip
    if status in _NO_MEMORY:
        return DeviceMemoryError(f"{call} found no memory", "free memory on the GPU", got, "Use fewer threads.")
    if status in _LOST:
        return DeviceLostError(f"the GPU failed at {call}", "a GPU that answers", got, "Start the process again.")
    return InferenceError(f"{call} failed", "cudaSuccess", got)


def _explained(status: Any) -> str:
    _, text = cuda_runtime().cudaGetErrorString(status)
    return bytes(text).decode("utf-8", "replace") if text else ""
