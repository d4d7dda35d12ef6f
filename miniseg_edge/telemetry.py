"""Vendors' packages report their use over the network when they are imported; here they have no way to.

`import openvino` sends an event to a web service and writes into the user's home; ONNX Runtime keeps a database there.
Hospital networks want neither.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONNXRUNTIME_OFF = "ORT_DISABLE_TELEMETRY"
_OPENVINO_SENDER = "openvino_telemetry"
_importing = threading.RLock()


@contextmanager
def silenced() -> Iterator[None]:
    """Inside, OpenVINO and NNCF find their sender not installed, a case that they know, and ONNX Runtime its switch.

    All look when they are imported, and never again; afterwards the process is as it was. A sender that the host has
    imported itself stays.
    """
    with _importing:
        hidden, unset = _OPENVINO_SENDER not in sys.modules, _ONNXRUNTIME_OFF not in os.environ
        if hidden:
            sys.modules[_OPENVINO_SENDER] = None  # type: ignore[assignment]
        if unset:
            os.environ[_ONNXRUNTIME_OFF] = "1"
        try:
            yield
        finally:
            if hidden:
                del sys.modules[_OPENVINO_SENDER]
            if unset:
                del os.environ[_ONNXRUNTIME_OFF]
