"""Leaks planted on purpose, a little with each turn of a soak, to check that the instrument finds them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

_kept: list[object] = []

LEAK_MB = 2
LEAK_LATENCY_MS = 3.0


def _memory() -> None:
    _kept.append(b"x" * (LEAK_MB * 10**6))


def _handle() -> None:
    _kept.append(Path(__file__).open("rb"))  # noqa: SIM115  that it is never closed is the point


def _thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def _latency() -> None:
    _kept.append(None)


LEAKS: dict[str, Callable[[], None]] = {
    "memory_mb": _memory, "handles": _handle, "threads": _thread, "latency_ms": _latency,
}  # fmt: skip
"""By the quantity that must rise, named as in `soak.WATCHED`."""


def wait_longer(leak: str) -> None:
    """Waits a little for each planted turn, if the planted fault is latency."""
    if leak == "latency_ms":
        time.sleep(len(_kept) * LEAK_LATENCY_MS / 1e3)
