"""The vendor's log messages: kept for errors, and passed on to Python's logging."""

import logging
import re
import threading
from collections import deque
from typing import Any

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import DeviceMemoryError, InferenceError, MiniSegError, RuntimeUnavailableError
from miniseg_edge.runtimes.backends.cuda.calls import error_of_number, lost

_log = logger_of(__name__)
_KEPT = 40
_NO_MEMORY = re.compile(r"out ?of ?memory|bad_alloc|cudaErrorMemoryAllocation|allocation failed", re.IGNORECASE)
_CUDA_ERROR = re.compile(r"(?:cudaError |CUDA (?:initialization )?failure(?: with error)?:? )(\d+)", re.IGNORECASE)
"""CUDA's number in the vendors' messages: "(cudaError 35: ...)", "CUDA initialization failure with error: 35"."""

_logs: dict[int, tuple[Any, "VendorLog"]] = {}
_making = threading.Lock()


def vendor_log(trt: Any) -> "VendorLog":
    """The one log of a vendor's module, for the lifetime of the process.

    The vendor's library keeps the first logger that it gets, and uses it whatever it is given later.
    """
    with _making:
        if id(trt) not in _logs:
            _logs[id(trt)] = trt, VendorLog(trt)
        return _logs[id(trt)][1]


class VendorLog:
    """The vendor's logger and the messages that may explain a failure.

    Attributes:
        handle: the logger object for the vendor's classes; it must live as long as they do.

    Thread-safety: may be called from many threads; each reads the messages that its own calls caused.
    """

    def __init__(self, trt: Any) -> None:
        """Use `vendor_log` instead."""
        self._heard: deque[tuple[int, int, str]] = deque(maxlen=_KEPT)
        self._lock = threading.RLock()  # the garbage collector may free a vendor's object, which logs, while it is held
        self.handle = _handle(trt, self._hear)

    def failure(self, problem: str, expected: str) -> MiniSegError:
        """The error for a failed call: CUDA's message about the GPU if there is one, otherwise the vendor's.

        Returns DeviceLostError, DeviceMemoryError, RuntimeUnavailableError, or InferenceError.
        """
        said = self.reason()
        if (gone := lost(problem)) is not None:
            return gone
        if _NO_MEMORY.search(said):
            return DeviceMemoryError(problem, expected=expected, because=said, remedy="Use fewer threads.")
        if (number := _CUDA_ERROR.search(said)) is not None:
            found = error_of_number(problem, int(number[1]), said)
            if type(found) is not InferenceError:
                return found
        return InferenceError(problem, expected=expected, because=said)

    def unusable(self, problem: str) -> MiniSegError:
        """The error for a vendor's library that does not start: the driver is too old, or the GPU is lost."""
        found = self.failure(problem, "a driver recent enough for the library, and a GPU")
        if type(found) is not InferenceError:
            return found
        return RuntimeUnavailableError(
            problem, expected=found.expected, because=found.because, remedy="Install or update the NVIDIA driver."
        )

    def errors(self) -> str:
        """Errors since the last call, newest first, on one line; at most 300 characters.

        From this thread's calls; if there are none, from the vendor's own threads.
        """
        return self._taken(logging.ERROR)

    def reason(self) -> str:
        """The same; if there were no errors the warnings, which are all that the vendor logs for some failures."""
        return self._taken(logging.ERROR) or self._taken(logging.NOTSET) or "no reason given"

    def _taken(self, least: int) -> str:
        here, python = threading.get_ident(), {thread.ident for thread in threading.enumerate()}
        with self._lock:
            ours = [entry for entry in self._heard if entry[0] == here]
            if not any(entry[1] >= least for entry in ours):
                ours = [entry for entry in self._heard if entry[0] not in python]
            found = "; ".join(text for _, level, text in reversed(ours) if level >= least)
            if found:
                kept = [entry for entry in self._heard if entry not in ours]
                self._heard.clear()
                self._heard.extend(kept)
        return " ".join(found.split())[:300]

    def _hear(self, level: int, text: str) -> None:
        _log.log(level, "%s", text)
        if level >= logging.INFO:  # the vendor's warnings and errors
            with self._lock:
                self._heard.append((threading.get_ident(), level, text))


def _handle(trt: Any, hear: Any) -> Any:
    severity = trt.ILogger.Severity
    # The vendor's INFO messages are its own bookkeeping, dozens of lines per engine.
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
