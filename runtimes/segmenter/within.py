"""Deadlines for calls that cannot be interrupted: a vendor's engine that is opened or run."""

import concurrent.futures
import math
from collections.abc import Callable
from typing import TypeVar

from miniseg_edge.errors import DeadlineError
from miniseg_edge.runtimes.backends.giving_up import Caller
from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool

Result = TypeVar("Result")

MAX_DEADLINE_S = 7 * 24 * 3600.0


def within(deadline_s: float | None, work: Callable[[], Result], what: str) -> Result:
    """Runs `work` in a separate thread and returns its result, or raises its exception.

    Args:
        deadline_s: seconds from now, above 0; None runs it in the caller's thread, without a limit.
        work: what may hang. After the deadline it is abandoned: if it cannot be interrupted, it keeps its memory, but
            not the process alive.
        what: for the message.

    Raises:
        DeadlineError: it was not done in time.
    """
    if deadline_s is None:
        return work()
    pool, caller = DaemonPool(1, "miniseg-within"), Caller()
    future = pool.submit(lambda: caller.calls(work))
    pool.shutdown(wait=False)
    concurrent.futures.wait([future], timeout=deadline_s)
    if not future.done():
        caller.give_up()
        raise DeadlineError(
            f"{what} was not done in time",
            expected=f"at most {deadline_s:g} s",
            got="more",
            remedy="If the machine is slow, raise deadline_s, --deadline or, for miniseg-serve, --start-deadline.",
        )
    return future.result()


def seconds(text: str) -> float:
    """A deadline on a command line. Raises: ValueError."""
    found = float(text)
    if not (math.isfinite(found) and 0 < found <= MAX_DEADLINE_S):
        raise ValueError(f"finite seconds above 0, at most {MAX_DEADLINE_S:g}")
    return found
