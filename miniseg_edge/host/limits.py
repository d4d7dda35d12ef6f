"""The host's limits in our terms: memory that is exhausted, threads that it does not allow, whoever runs into them."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from miniseg_edge.errors import HostLimitError, HostMemoryError, HostThreadsError, MiniSegError

Result = TypeVar("Result")

_NO_MEMORY = re.compile(r"bad.?alloc|Insufficient memory|(Cannot|Failed to|Unable to) allocate", re.IGNORECASE)
"""As C++, OpenCV, the C library, ONNX Runtime and NumPy say it."""

_NO_THREADS = re.compile(r"can't start new thread|Resource temporarily unavailable")
"""As Python and the C library say it."""


@contextmanager
def host_limits() -> Iterator[None]:
    """Inside, or in a function decorated with it, what runs into a limit of the host raises HostLimitError."""
    try:
        yield
    except Exception as error:
        if (limit := limit_behind(error)) is None:
            raise
        raise limit from error


def within_limits(results: Iterator[Result]) -> Generator[Result, None, None]:
    """The same results; what takes them in runs within `host_limits`."""
    with host_limits():
        yield from results


def limit_behind(error: Exception) -> HostLimitError | None:
    """Our error for one that a limit of the host caused; None for others, ours among them."""
    if isinstance(error, MiniSegError):
        return None
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, MemoryError) or _NO_MEMORY.search(said):
        return HostMemoryError("memory is exhausted", because=said, remedy="What was written is whole.")
    if _NO_THREADS.search(said) and not isinstance(error, OSError):  # a pipe that is empty says the same
        return HostThreadsError(
            "the host allows no more threads", because=said,
            remedy="Raise its limit (ulimit -u, a container's pids limit), free memory for its stack, or ask for fewer "
            "(threads=1, streams=1).",
        )  # fmt: skip
    return None
