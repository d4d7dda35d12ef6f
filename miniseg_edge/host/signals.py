"""The signals by which a system or a user ends a program that would run for ever."""

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
    """Inside, those signals call `stop` and do nothing else; afterwards they do what they did before.

    Only the main thread may do this. Raises: ValueError, another thread.
    """
    before = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
