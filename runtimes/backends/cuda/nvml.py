"""The driver's version from its management library, on systems without a file that states it, such as Windows."""

import ctypes
import sys


def driver_by_nvml() -> str:
    """Such as "580.159.04"; "" if the library is missing or does not answer. Does not initialise a GPU."""
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
