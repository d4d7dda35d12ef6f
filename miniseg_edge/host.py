"""What the host lets this process use."""

import os


def usable_cores() -> int:
    """Cores that this process may run on; fewer than the machine's where the host has bound it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
