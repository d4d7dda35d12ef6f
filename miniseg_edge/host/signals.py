"""The signals by which a system or a user ends a program that runs indefinitely."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = [signal.SIGINT, signal.SIGTERM]
if sys.platform == "win32":
    _ENDING.append(signal.SIGBREAK)


@contextmanager
def ended_by(stop: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Inside, these signals only call `stop`; afterwards the previous handlers are restored.

    Only the main thread may do this. Raises: ValueError in another thread.
    """
    before = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
