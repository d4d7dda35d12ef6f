"""Buffers shared between host and GPU."""

import ctypes
from typing import Any

import numpy as np

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime

_log = logger_of(__name__)


class Buffer:
    """Pinned host memory and its GPU counterpart; the same memory if the GPU shares the host's."""

    def __init__(self, size_bytes: int, *, shared: bool) -> None:
        """Raises: DeviceMemoryError."""
        cuda = cuda_runtime()
        self.size_bytes, self.shared = size_bytes, shared
        self._on_device: Any = None
        self._on_host: Any = checked(cuda.cudaHostAlloc, size_bytes, cuda.cudaHostAllocMapped)
        try:
            if shared:
                self.device = int(checked(cuda.cudaHostGetDevicePointer, self._on_host, 0))
            else:
                self._on_device = checked(cuda.cudaMalloc, size_bytes)
                self.device = int(self._on_device)
        except MiniSegError:
            self.release()
            raise

    def array(self, shape: tuple[int, ...], dtype: str) -> Any:
        """The host's side as an array of that shape; valid until `release`."""
        memory = memoryview((ctypes.c_uint8 * self.size_bytes).from_address(int(self._on_host)))
        return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)

    def to_device(self, size_bytes: int, stream: Any) -> None:
        """Copies the host's side to the GPU, in stream order."""
        self._copy(self.device, self._on_host, size_bytes, "cudaMemcpyHostToDevice", stream)

    def to_host(self, size_bytes: int, stream: Any) -> None:
        """Copies the GPU's side to the host, in stream order."""
        self._copy(self._on_host, self.device, size_bytes, "cudaMemcpyDeviceToHost", stream)

    def release(self) -> None:
        """Frees both sides; may be called twice."""
        cuda = cuda_runtime()
        release(cuda.cudaFree, self._on_device)
        release(cuda.cudaFreeHost, self._on_host)
        self._on_device = self._on_host = None

    def _copy(self, target: Any, source: Any, size_bytes: int, kind: str, stream: Any) -> None:
        if not self.shared:
            cuda = cuda_runtime()
            checked(cuda.cudaMemcpyAsync, target, source, size_bytes, getattr(cuda.cudaMemcpyKind, kind), stream)


class DeviceMemory:
    """GPU memory, aligned to at least 256 bytes by CUDA."""

    def __init__(self, size_bytes: int) -> None:
        """Raises: DeviceMemoryError."""
        self.size_bytes = size_bytes
        self._held: Any = checked(cuda_runtime().cudaMalloc, size_bytes) if size_bytes else None
        self.address = 0 if self._held is None else int(self._held)

    def release(self) -> None:
        """Frees it; may be called twice."""
        release(cuda_runtime().cudaFree, self._held)
        self._held = None


def release(function: Any, resource: Any) -> None:
    """Releases a resource. A lost GPU refuses that too, and the error that lost it is the one to report."""
    if resource is not None:
        try:
            checked(function, resource)
        except MiniSegError as error:
            _log.warning("not released: %s", error)
