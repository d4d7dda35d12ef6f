"""The host's processor, and what it lets this process use."""

import os
import platform
from pathlib import Path


def usable_cores() -> int:
    """Cores that this process may run on; fewer than the machine's if the process is restricted."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, which measurements must state."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
