"""What the vendor's library says: kept for errors, and passed on to Python's logging."""

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
"""CUDA's number in the vendors' words: "(cudaError 35: ...)", "CUDA initialization failure with error: 35"."""

_logs: dict[int, tuple[Any, "VendorLog"]] = {}
_making = threading.Lock()


def vendor_log(trt: Any) -> "VendorLog":
    """The one log of a vendor's module, for as long as the process lives.

    The vendor's library keeps the logger that it got first, and speaks to it whatever it is given later.
    """
    with _making:
        if id(trt) not in _logs:
            _logs[id(trt)] = trt, VendorLog(trt)
        return _logs[id(trt)][1]


class VendorLog:
    """The vendor's logger and what it heard that may explain a failure.

    Attributes:
        handle: what the vendor's classes take as their logger; it must live as long as they do.

    Thread-safety: may be told from many threads; each asks for what its own calls caused.
    """

    def __init__(self, trt: Any) -> None:
        """Take `vendor_log` instead."""
        self._heard: deque[tuple[int, int, str]] = deque(maxlen=_KEPT)
        self._lock = threading.RLock()  # the collector may free a vendor's object, which says so, while it is held
        self.handle = _handle(trt, self._hear)

    def failure(self, problem: str, expected: str) -> MiniSegError:
        """The error for a call that gave nothing: what CUDA says of the GPU, else what the vendor says.

        Gives DeviceLostError, DeviceMemoryError, RuntimeUnavailableError, or InferenceError.
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
        """The error for a vendor's library that does not start: the driver is too old, or the GPU is gone."""
        found = self.failure(problem, "a driver recent enough for the library, and a GPU")
        if type(found) is not InferenceError:
            return found
        return RuntimeUnavailableError(
            problem, expected=found.expected, because=found.because, remedy="Install or update the NVIDIA driver."
        )

    def errors(self) -> str:
        """What went wrong since this was last asked, newest first, on one line; at most 300 characters.

        What this thread's calls said; if nothing, what threads of the vendor's own did.
        """
        return self._taken(logging.ERROR)

    def reason(self) -> str:
        """The same; if there were no errors the warnings, which is all that the vendor gives for some failures."""
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
        if level >= logging.INFO:  # what the vendor calls a warning, and errors
            with self._lock:
                self._heard.append((threading.get_ident(), level, text))


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
