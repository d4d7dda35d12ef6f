"""What the vendor's library says: kept for errors, and passed on to Python's logging."""

import logging
import re
import threading
from collections import deque
from typing import Any

from miniseg_edge.errors import DeviceMemoryError, InferenceError

_log = logging.getLogger(__name__)
_KEPT = 20
_NO_MEMORY = re.compile(r"out ?of ?memory|bad_alloc|cudaErrorMemoryAllocation|allocation failed", re.IGNORECASE)


class VendorLog:
    """The vendor's logger and the errors that it heard.

    Attributes:
        handle: what the vendor's classes take as their logger; it must live as long as they do.

    Thread-safety: may be told from many threads.
    """

    def __init__(self, trt: Any) -> None:
        self._errors: deque[str] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self.handle = _handle(trt, self._hear)

    def failure(self, problem: str, expected: str) -> InferenceError:
        """The error for a call that gave nothing: DeviceMemoryError if the vendor says that memory was short."""
        said = self.errors() or "no reason given"
        kind = DeviceMemoryError if _NO_MEMORY.search(said) else InferenceError
        return kind(problem, expected, said)

    def errors(self) -> str:
        """What went wrong since the last call, newest first, on one line; at most 300 characters."""
        with self._lock:
            found = "; ".join(reversed(self._errors))
            self._errors.clear()
        return " ".join(found.split())[:300]

    def _hear(self, level: int, text: str) -> None:
        _log.log(level, "%s", text)
        if level >= logging.ERROR:
            with self._lock:
                self._errors.append(text)


def _handle(trt: Any, hear: Any) -> Any:
    severity = trt.ILogger.Severity
    # What the vendor calls INFO is its own bookkeeping, dozens of lines for each engine.
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.INFO,
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.DEBUG,
    }

    class Handle(trt.ILogger):  # type: ignore[misc]  # the vendor's classes are known only when it is loaded
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            hear(levels[severity], msg)

    return Handle()
