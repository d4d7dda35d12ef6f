"""Context managers that silence third-party log records, warnings, progress bars and prompts."""

import contextlib
import io
import logging
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

from miniseg_edge.host.environment import environment_with

DICOM_LIBRARIES = ("pydicom", "highdicom")
"""Their log records and warnings may quote the patient."""

_UNATTENDED = {"CI": "true", "NNCF_CI": "1"}
"""Tells NNCF and OpenVINO's converter not to report usage."""

_WARNINGS, _ALL_LOGS = "warnings", "logging"

Undo = Callable[[], None]

_lock = threading.Lock()
_inside: Counter[str] = Counter()
"""For each silenced thing, how many threads are inside."""

_undo: dict[str, Undo] = {}


@contextmanager
def silence(*loggers: str) -> Iterator[None]:
    """Inside, there are no warnings, and these loggers and their children log nothing.

    Without names, nothing is logged.

    Logging and warnings belong to the whole process. Name the libraries' loggers if a host's own records must not be
    lost, and keep the work inside short.

    Thread-safety: any number of threads may be inside at once; the last one to leave restores the previous state.
    """
    switches: dict[str, Callable[[], Undo]] = {_WARNINGS: _ignore_warnings}
    if loggers:
        switches |= {f"logger {name}": partial(_disable_logger, name) for name in loggers}
    else:
        switches[_ALL_LOGS] = _disable_logging
    with ExitStack() as stack:
        for name, install in switches.items():
            stack.enter_context(_counted(name, install))
        yield


@contextmanager
def unattended() -> Iterator[None]:
    """The same, also without progress bars and telemetry. Exceptions are still raised.

    NNCF checks when it is imported, so import it inside.
    """
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with environment_with(_UNATTENDED), silence(), quiet[0], quiet[1]:
        yield


@contextmanager
def _counted(name: str, install: Callable[[], Undo]) -> Iterator[None]:
    """The first to enter installs, the last to leave restores."""
    with _lock:
        if not _inside[name]:
            _undo[name] = install()
        _inside[name] += 1
    try:
        yield
    finally:
        with _lock:
            if _inside[name]:  # a child that was forked inside starts over
                _inside[name] -= 1
                if not _inside[name]:
                    _undo.pop(name)()


def _ignore_warnings() -> Undo:
    """Inserts one filter in place.

    `warnings.catch_warnings` swaps lists, and threads could restore them in the wrong order.
    """
    filters, ours = cast("list[Any]", warnings.filters), ("ignore", None, Warning, None, 0)
    filters.insert(0, ours)

    def undo() -> None:
        for index, one in enumerate(filters):
            if one is ours:
                del filters[index]
                break

    return undo


def _disable_logging() -> Undo:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    return lambda: logging.disable(before)


def _disable_logger(name: str) -> Undo:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    return lambda: logger.setLevel(before)


def _after_fork() -> None:
    """In a child, the other threads are gone, and one of them may have held the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inside.clear()
    while _undo:
        _undo.popitem()[1]()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
