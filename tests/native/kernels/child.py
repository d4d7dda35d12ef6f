"""Checks in a child process, so that a crash is a failed test that says what was called."""

import faulthandler
import mmap
import os
import signal
import traceback
import warnings
from collections.abc import Callable

LIMIT_S = 300

_now = mmap.mmap(-1, 1 << 14)  # shared with children


def now(what: str) -> None:
    """Remembers what is about to be done."""
    text = what.encode()[: len(_now) - 1]
    _now[: len(text) + 1] = text + b"\0"


def in_child(check: Callable[[], None]) -> None:
    """Runs a check in a fork of this process. Raises: AssertionError, with the child's own words, or its signal."""
    host_end, child_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            faulthandler.disable()
            signal.alarm(LIMIT_S)
            check()
            status = 0
        except BaseException:
            with os.fdopen(child_end, "w") as pipe:
                pipe.write(traceback.format_exc())
        finally:
            os._exit(status)
    os.close(child_end)
    with os.fdopen(host_end) as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        during = bytes(_now).split(b"\0", 1)[0].decode(errors="replace")
        raise AssertionError(f"{signal.Signals(-status).name} in {during}")
    assert status == 0, told
