"""CUDA through `cuda-python`: every return code is checked, and each failure becomes our error."""

from collections.abc import Callable
from typing import Any

from miniseg_edge.errors import DeviceLostError, DeviceMemoryError, InferenceError, RuntimeUnavailableError
from miniseg_edge.host.dependencies import require

EXTRA = "tensorrt-rtx"
"""Installs `cuda-python`; so does the extra `tensorrt`, but its other package is not available everywhere."""

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
# Another process has the GPU, or its service is not ready: nothing in this process is broken.
_BUSY = {
    "cudaErrorDevicesUnavailable",
    "cudaErrorMpsMaxClientsReached",
    "cudaErrorMpsMaxConnectionsReached",
    "cudaErrorMpsServerNotReady",
}
# After these, the process's CUDA context is lost; only a new process, or a repaired machine, can continue.
_LOST = {
    "cudaErrorAssert",
    "cudaErrorContained",
    "cudaErrorContextIsDestroyed",
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
    "cudaErrorMpsClientTerminated",
    "cudaErrorMpsConnectionFailed",
    "cudaErrorMpsRpcFailure",
    "cudaErrorNvlinkUncorrectable",
    "cudaErrorTensorMemoryLeak",
    "cudaErrorUnknown",
}


def cuda_runtime() -> Any:
    """`cuda.bindings.runtime`. Raises: MissingDependencyError."""
    return require("cuda.bindings.runtime", EXTRA)


def cuda_driver() -> Any:
    """`cuda.bindings.driver`. Raises: MissingDependencyError."""
    return require("cuda.bindings.driver", EXTRA)


def checked(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Calls a function of `cuda_runtime()` or `cuda_driver()`; returns its only result, or None if it has none.

    Raises:
        RuntimeUnavailableError: no driver, a driver too old for this CUDA, no GPU, or one that another process uses.
        DeviceMemoryError: the GPU's memory, or pinned host memory, is exhausted; the next call may succeed.
        DeviceLostError: the GPU failed; this process cannot use it again.
        InferenceError: anything else.
    """
    status, *results = function(*arguments)
    if int(status) != 0:
        raise error_of_number(function.__name__, int(status))
    return results[0] if results else None


def error_of(call: str, status: str, explained: str) -> InferenceError | RuntimeUnavailableError:
    """The error for a status by its name in `cudaError_t`."""
    explained_status = f"{status} ({explained})" if explained else status
    if status in _NO_DRIVER:
        return RuntimeUnavailableError(
            "there is no usable NVIDIA GPU",
            expected="a GPU, and a driver recent enough for CUDA",
            because=explained_status,
            remedy=(
                "Install or update the NVIDIA driver. In a container, pass the GPU "
                "through. Start child processes with spawn, not fork."
            ),
        )
    if status in _BUSY:
        return RuntimeUnavailableError(
            "the GPU is busy",
            expected="a GPU that takes one more process",
            because=explained_status,
            remedy="It may be in exclusive mode (nvidia-smi -q -d COMPUTE), or its MPS service is full or not ready.",
        )
    if status in _NO_MEMORY:
        return DeviceMemoryError(
            f"{call} ran out of memory",
            expected="free memory on the GPU",
            because=explained_status,
            remedy="Use fewer threads.",
        )
    if status in _LOST:
        return DeviceLostError(
            f"the GPU failed at {call}",
            expected="a GPU that answers",
            because=explained_status,
            remedy="Start the process again.",
        )
    return InferenceError(f"{call} failed", expected="cudaSuccess", because=explained_status)


def error_of_number(call: str, number: int, said: str = "") -> InferenceError | RuntimeUnavailableError:
    """The error for a status by its number; CUDA's runtime and driver share the numbers.

    Args:
        call: what failed.
        number: of `cudaError_t` or `CUresult`.
        said: what the caller knows about it; by default CUDA is asked.
    """
    status = _status(number)
    if status is None:
        return error_of(call, f"CUDA error {number}", said)
    return error_of(call, status.name, said or _explained(status))


def lost(call: str) -> DeviceLostError | None:
    """The error behind a vendor's failed call if the GPU is lost: every later CUDA call returns it again."""
    cuda = cuda_runtime()
    for ask in (cuda.cudaGetLastError, cuda.cudaMemGetInfo):
        status = ask()[0]
        if int(status) != 0 and status.name in _LOST:
            found = error_of(call, status.name, _explained(status))
            assert isinstance(found, DeviceLostError)  # noqa: S101  _LOST said so
            return found
    return None


def _status(number: int) -> Any:
    try:
        return cuda_runtime().cudaError_t(number)
    except ValueError:  # newer than these bindings, or specific to the driver
        return None


def _explained(status: Any) -> str:
    _, text = cuda_runtime().cudaGetErrorString(status)
    return bytes(text).decode("utf-8", "replace") if text else ""
