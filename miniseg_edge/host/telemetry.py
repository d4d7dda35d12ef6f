"""Prevents vendors' packages from reporting their use over the network when they are imported.

`import openvino` sends an event to a web service and writes to the user's home; ONNX Runtime keeps a database there.
Hospital networks want neither.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONNXRUNTIME_OFF = "ORT_DISABLE_TELEMETRY"
_OPENVINO_SENDER = "openvino_telemetry"
_HIDDEN = {"pydicom": "requests", "highdicom": "requests"}
"""Which network package is hidden from which importer; the default is OpenVINO's sender. pydicom imports requests, if
installed, to fetch its own test data: that opens a socket and changes the process's warning filters.
"""

_importing = threading.RLock()


def _forget_threads() -> None:
    """In a forked child: a thread of the parent may have held the lock."""
    global _importing  # noqa: PLW0603
    _importing = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_forget_threads)


@contextmanager
def silenced(module: str) -> Iterator[None]:
    """For importing `module`: OpenVINO and NNCF find that their sender is not installed, a case that they handle.

    They only look when they are imported; afterwards the process is unchanged. Modules that the host has imported
    itself stay.
    """
    kept_from_it = _HIDDEN.get(module.split(".", maxsplit=1)[0], _OPENVINO_SENDER)
    with _importing:
        hidden, unset = kept_from_it not in sys.modules, _ONNXRUNTIME_OFF not in os.environ
        if hidden:
            sys.modules[kept_from_it] = None  # type: ignore[assignment]
        if unset:
            os.environ[_ONNXRUNTIME_OFF] = "1"
        try:
            yield
        finally:
            if hidden:
                del sys.modules[kept_from_it]
            if unset:
                del os.environ[_ONNXRUNTIME_OFF]
