"""What the process keeps of memory that it has freed: little, and nothing large."""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT, _LARGE = 8 * 2**20, 4 * 2**20


def keep_little() -> None:
    """Sets up the process, once what stays for good is there.

    glibc would keep blocks of up to 32 MiB in each of its arenas after a large one was freed; here those of 4 MiB and
    more go back to the system at once. Objects that exist now are not looked at by the collector any more.
    """
    if sys.platform == "linux" and (option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        option(_MMAP_THRESHOLD, _LARGE)
        option(_TRIM_THRESHOLD, _KEPT)
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Collects cycles, and returns free blocks to the system; takes some milliseconds."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
