"""How much freed memory the process keeps: little, and no large blocks."""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT, _LARGE = 8 * 2**20, 4 * 2**20


def keep_little() -> None:
    """Configures the process, after all permanent objects exist.

    By default glibc keeps freed blocks of up to 32 MiB in each of its arenas; here, blocks of 4 MiB and more return to
    the system at once. The garbage collector ignores objects that exist now.
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
