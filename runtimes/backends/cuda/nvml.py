"""The driver's own version, from its management library: where the system has no file that tells it, as on Windows."""

import ctypes
import sys


def driver_by_nvml() -> str:
    """Such as "580.159.04"; "" if the library is not there or does not say. Initialises no GPU for computing."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        if nvml.nvmlInit_v2() != 0:
            return ""
        try:
            text = ctypes.create_string_buffer(80)
            failed = nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(len(text)))
            return "" if failed else text.value.decode("ascii", "replace")
        finally:
            nvml.nvmlShutdown()
    except (OSError, AttributeError):
        return ""
