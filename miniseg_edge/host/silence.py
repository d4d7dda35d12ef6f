"""Libraries at work without a word: no log records, warnings, progress bars or questions to whoever may be there."""

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
"""What tells NNCF and OpenVINO's converter that nobody is there whose use they could report."""

_WARNINGS, _ALL_LOGS = "warnings", "logging"

Undo = Callable[[], None]

_lock = threading.Lock()
_inside: Counter[str] = Counter()
"""How many are inside, in whatever thread, for each thing that is silent."""

_undo: dict[str, Undo] = {}


@contextmanager
def silence(*loggers: str) -> Iterator[None]:
    """Inside, nobody is warned, and these loggers and those below them log nothing; without names, nothing is logged.

    Logging and warnings are the whole process's. Name the libraries' loggers where a host's own records must not be
    lost, and keep what is done inside short.

    Thread-safety: any number of threads may be inside at once; the last one that leaves restores what was before.
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
    """The same without progress bars and reports about use; what fails is raised all the same.

    NNCF asks when it is imported, so that has to happen inside.
    """
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with environment_with(_UNATTENDED), silence(), quiet[0], quiet[1]:
        yield


@contextmanager
def _counted(name: str, install: Callable[[], Undo]) -> Iterator[None]:
    """The first that enters installs, the last that leaves undoes."""
    with _lock:
        if not _inside[name]:
            _undo[name] = install()
        _inside[name] += 1
    try:
        yield
    finally:
        with _lock:
            if _inside[name]:  # a child that was forked inside has forgotten
                _inside[name] -= 1
                if not _inside[name]:
                    _undo.pop(name)()


def _ignore_warnings() -> Undo:
    """Puts one filter in front, in place: `warnings.catch_warnings` swaps lists, and threads would swap them back."""
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
    """In a child, the threads that were inside are gone, and one of them may have held the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inside.clear()
    while _undo:
        _undo.popitem()[1]()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
