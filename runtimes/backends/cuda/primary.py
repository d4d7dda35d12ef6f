"""The primary CUDA context of a GPU, under which all our objects are created, used and released.

The host application may have its own contexts, also on the same GPU, and another GPU may be current in its threads. So
nothing is set permanently: the primary context is pushed and popped, and only requested GPUs are initialised.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from miniseg_edge.console.logs import logger_of
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_driver

_log = logger_of(__name__)
_lock = threading.Lock()
_retained: dict[int, Any] = {}
"""By GPU index. They are kept until the process ends, as in CUDA's own runtime."""


def _primary(index: int) -> Any:
    with _lock:
        if index not in _retained:
            cuda = cuda_driver()
            checked(cuda.cuInit, 0)
            _retained[index] = checked(cuda.cuDevicePrimaryCtxRetain, checked(cuda.cuDeviceGet, index))
        return _retained[index]


@contextmanager
def on_device(index: int) -> Iterator[None]:
    """Temporarily makes a GPU's primary context current in this thread; the previous one is restored.

    Thread-safety: any thread, including the garbage collector's.

    Raises:
        RuntimeUnavailableError, DeviceMemoryError, DeviceLostError, InferenceError: see `checked`.
    """
    cuda = cuda_driver()
    checked(cuda.cuCtxPushCurrent, _primary(index))
    try:
        yield
    finally:
        status, _ = cuda.cuCtxPopCurrent()
        if int(status) != 0:  # an exception that is being raised is the one to report
            _log.warning("the CUDA context was not taken back: %s", status)
