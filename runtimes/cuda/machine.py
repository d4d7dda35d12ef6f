"""The machine that an engine is built for or opened on: its system and its GPUs."""

import platform
from dataclasses import dataclass

from miniseg_edge.runtimes.cuda.calls import checked, cuda_runtime

_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
"""Windows' and macOS' names of what Linux calls otherwise."""


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        index: CUDA's number of it.
        name: as its vendor calls it.
        compute_capability: such as "8.6".
        driver: the highest CUDA version that the driver serves, such as "13.0".
        integrated: whether it shares the host's memory, as on a Jetson.
    """

    index: int
    name: str
    compute_capability: str
    driver: str
    integrated: bool


def gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; at least one.

    Raises:
        MissingDependencyError: `cuda-python` is not installed.
        RuntimeUnavailableError: no driver, or no GPU.
    """
    cuda = cuda_runtime()
    count = checked(cuda.cudaGetDeviceCount)
    driver = checked(cuda.cudaDriverGetVersion)
    return tuple(_gpu(index, f"{driver // 1000}.{driver % 1000 // 10}") for index in range(count))


def system() -> str:
    """Operating system and processor: `linux-x86_64`, `linux-aarch64`, `windows-x86_64`."""
    processor = platform.machine().lower()
    return f"{platform.system().lower()}-{_PROCESSORS.get(processor, processor)}"


def _gpu(index: int, driver: str) -> Gpu:
    cuda = cuda_runtime()
    found = checked(cuda.cudaGetDeviceProperties, index)
    name = bytes(found.name).split(b"\0")[0].decode("utf-8", "replace")
    return Gpu(index, name, f"{found.major}.{found.minor}", driver, bool(found.integrated))
