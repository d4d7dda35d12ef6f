"""The primary CUDA context of a GPU, which all of ours is made, used and released under.

The host application may have contexts of its own, also on the same GPU, and another GPU that is current in its threads.
So nothing is set: the primary context is pushed and popped, and a GPU that is not asked for is never initialised.
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
"""By a GPU's number. They are kept until the process ends, as CUDA's own runtime keeps them."""


def _primary(index: int) -> Any:
    with _lock:
        if index not in _retained:
            cuda = cuda_driver()
            checked(cuda.cuInit, 0)
            _retained[index] = checked(cuda.cuDevicePrimaryCtxRetain, checked(cuda.cuDeviceGet, index))
        return _retained[index]


@contextmanager
def on_device(index: int) -> Iterator[None]:
    """Makes a GPU's primary context current in this thread for a while; what was current before is so afterwards.

    Thread-safety: any thread, also the collector's.

    Raises:
        RuntimeUnavailableError, DeviceMemoryError, DeviceLostError, InferenceError: see `checked`.
    """
    cuda = cuda_driver()
    checked(cuda.cuCtxPushCurrent, _primary(index))
    try:
        yield
    finally:
        status, _ = cuda.cuCtxPopCurrent()
        if int(status) != 0:  # an error on the way out is the one to report
            _log.warning("the CUDA context was not taken back: %s", status)
