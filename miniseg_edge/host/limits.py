"""Translates out-of-memory and thread-limit failures into HostLimitError."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from miniseg_edge.errors import HostLimitError, HostMemoryError, HostThreadsError, MiniSegError

Result = TypeVar("Result")

_NO_MEMORY = re.compile(r"bad.?alloc|Insufficient memory|(Cannot|Failed to|Unable to) allocate", re.IGNORECASE)
"""Out-of-memory messages of C++, OpenCV, the C library, ONNX Runtime and NumPy."""

_NO_THREADS = re.compile(r"can't start new thread|Resource temporarily unavailable")
"""Messages of Python and the C library about threads."""


@contextmanager
def host_limits() -> Iterator[None]:
    """Context manager and decorator: failures from the host's limits become HostLimitError."""
    try:
        yield
    except Exception as error:
        if (limit := limit_behind(error)) is None:
            raise
        raise limit from error


def within_limits(results: Iterator[Result]) -> Generator[Result, None, None]:
    """The same items; the iterator that produces them runs within `host_limits`."""
    with host_limits():
        yield from results


def limit_behind(error: Exception) -> HostLimitError | None:
    """Our error for an exception that a limit of the host caused; None for other exceptions, including our own."""
    if isinstance(error, MiniSegError):
        return None
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, MemoryError) or _NO_MEMORY.search(said):
        return HostMemoryError("memory is exhausted", because=said, remedy="What was written is whole.")
    if _NO_THREADS.search(said) and not isinstance(error, OSError):  # an empty pipe gives the same error
        return HostThreadsError(
            "the host allows no more threads", because=said,
            remedy="Raise its limit (ulimit -u, a container's pids limit), free memory for its stack, or ask for fewer "
            "(threads=1, streams=1).",
        )  # fmt: skip
    return None
