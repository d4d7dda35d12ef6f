"""When a request is due, from its first byte to its answer's last."""

import math
import time

from miniseg_edge.errors import DeadlineError


class Deadline:
    """A deadline that may move closer, but never further away.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, seconds: float) -> None:
        """Due this many seconds from now."""
        self._due = time.monotonic() + seconds
        self._start = time.monotonic()

    def shorten(self, seconds: float) -> None:
        """Due no later than this many seconds after it started."""
        self._due = min(self._due, self._start + seconds)

    def give_up(self) -> None:
        """Due at once, because the client does not wait for the answer."""
        self._due = -math.inf

    def left_s(self) -> float:
        """Seconds left, above 0. Raises: DeadlineError."""
        if (left := self._due - time.monotonic()) <= 0:
            raise DeadlineError(
                "the request was not done in time",
                expected="masks before its deadline",
                got="none",
                remedy="Allow more time, or try again later.",
            )
        return left
