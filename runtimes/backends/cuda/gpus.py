"""The machine for which an engine is built or on which it is opened: its system and its GPUs."""

import ctypes
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import ForkedError, MissingDependencyError, RuntimeUnavailableError
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime
from miniseg_edge.runtimes.backends.cuda.nvml import driver_by_nvml
from miniseg_edge.runtimes.backends.forks import claim

CUDA = "CUDA"
"""Its name among the libraries that only work on one side of a fork."""

_DRIVER = Path("/proc/driver/nvidia/version")
"""Where Linux's kernel module states its version."""

_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
"""Processor names of Windows and macOS that differ from Linux's."""


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        index: CUDA's index.
        name: the vendor's name.
        compute_capability: such as "8.6".
        driver: the highest CUDA version that the driver supports, such as "13.0".
        integrated: whether it shares the host's memory, as on a Jetson.
        multiprocessors: their number; GPUs of one name may differ in it.
        memory_bytes: its memory; the host's, if shared.
        driver_version: of the driver itself, such as "580.159.04"; "" if unknown.
    """

    index: int
    name: str
    compute_capability: str
    driver: str
    integrated: bool
    multiprocessors: int = 0
    memory_bytes: int = 0
    driver_version: str = ""

    @property
    def device(self) -> str:
        """Its name for runtimes: `cuda:0`."""
        return f"cuda:{self.index}"


def gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; at least one.

    Raises:
        MissingDependencyError: `cuda-python` is not installed.
        RuntimeUnavailableError: there is no driver, no GPU, or one that does not answer.
        ForkedError: this process was forked from one that uses a GPU.
    """
    claim(CUDA, used=False)
    try:
        cuda = cuda_runtime()
        count = checked(cuda.cudaGetDeviceCount)
        served = checked(cuda.cudaDriverGetVersion)
        driver, version = f"{served // 1000}.{served % 1000 // 10}", driver_version()
        found = tuple(_gpu(index, driver, version) for index in range(count))
    except (MissingDependencyError, RuntimeUnavailableError, ForkedError):
        raise
    except Exception as error:  # a GPU without power, permissions or libraries; those raise other exceptions
        raise RuntimeUnavailableError(
            "there is no usable NVIDIA GPU",
            expected="a GPU that answers",
            because=" ".join(str(error).split())[:300],
            remedy="Look at nvidia-smi; after a suspend, load the driver again or restart the machine.",
        ) from error
    if not found:
        raise RuntimeUnavailableError("there is no usable NVIDIA GPU", expected="at least one", got="none")
    claim(CUDA)
    return found


def gpu_named(device: str) -> Gpu:
    """The GPU with a device name such as `cuda:1`.

    Raises:
        MissingDependencyError, ForkedError: as `gpus`.
        RuntimeUnavailableError: as `gpus`, or no GPU has this name.
    """
    here = gpus()
    found = next((gpu for gpu in here if gpu.device == device), None)
    if found is None:
        raise RuntimeUnavailableError(
            "this GPU does not exist", expected=", ".join(gpu.device for gpu in here), got=device
        )
    return found


def driver_version() -> str:
    """The driver's own version; "" if unknown."""
    try:
        said = _DRIVER.read_text(encoding="utf-8", errors="replace")[:1000]
    except OSError:
        return driver_by_nvml()
    found = re.search(r"\b\d{3,}\.[\d.]*\d\b", said)  # after "NVRM version: NVIDIA UNIX ... Kernel Module"
    return found[0] if found else driver_by_nvml()


def has_driver() -> bool:
    """Whether the driver's CUDA library is on this system; needs no package, and initialises no GPU."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def system() -> str:
    """Operating system and processor: `linux-x86_64`, `linux-aarch64`, `windows-x86_64`."""
    processor = platform.machine().lower()
    return f"{platform.system().lower()}-{_PROCESSORS.get(processor, processor)}"


def _gpu(index: int, driver: str, version: str) -> Gpu:
    cuda = cuda_runtime()
    found = checked(cuda.cudaGetDeviceProperties, index)
    name = bytes(found.name).split(b"\0")[0].decode("utf-8", "replace")
    return Gpu(
        index, name, f"{found.major}.{found.minor}", driver, bool(found.integrated),
        int(found.multiProcessorCount), int(found.totalGlobalMem), version,
    )  # fmt: skip
