"""A host application in a process of its own: what is true of it before and after it embeds the runtime, as JSON.

`python -m tests.guest WORK BUNDLE OUTPUT [STUDY]`, WORK being a runtime's name or "study". It prints what the Segmenter
changed, what it wrote, sent or started, and how many threads it had, each with the cores that it may use.
"""

import gc
import json
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ACTS = (
    *(
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
    ),
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "subprocess.Popen"),
    *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"),
)
GLIBC_OWN = 0b11 << 31
"""Signals 32 and 33, which glibc itself catches as soon as there is a second thread."""


def status(path: Path = Path("/proc/self/status")) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def threads() -> list[str]:
    """The cores of each thread, vendors' threads too."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found.append(status(task / "status")["Cpus_allowed_list"].strip())
        except (FileNotFoundError, ProcessLookupError):  # it ended before its file was opened, or before it was read
            continue
    return sorted(found)


def state() -> dict[str, list[str]]:
    """Everything of the process that belongs to the host."""
    told = status()
    return {
        "signals": [f"{name} {int(told[name], 16) & ~GLIBC_OWN:x}" for name in ("SigBlk", "SigIgn", "SigCgt")],
        "handlers": [f"{number} {signal.getsignal(number)}" for number in sorted(signal.valid_signals())],
        "umask": [told["Umask"]],
        "affinity": [str(core) for core in sorted(os.sched_getaffinity(0))],
        "priority": [str(os.getpriority(os.PRIO_PROCESS, 0))],
        "folder": [str(Path.cwd())],
        "environment": [f"{name}={value}" for name, value in os.environ.items()],
        "locale": [locale.setlocale(locale.LC_ALL)],
        "OpenCV's threads": [str(cv2.getNumThreads())],
        "logging": [str(logging.root.level), str(logging.root.manager.disable), *map(repr, logging.root.handlers)],
        "warnings": [repr(one) for one in warnings.filters],
        "NumPy's errors": [str(np.geterr())],
        "random": [str(hash(random.getstate())), str(np.random.get_state(legacy=False))],
        "denormals": [str(np.float64(5e-324) * np.float64(1.0)), str(np.float32(1e-45) * np.float32(1.0))],
        "socket time-out": [str(socket.getdefaulttimeout())],
        "hooks": [repr(sys.excepthook), repr(threading.excepthook), repr(sys.unraisablehook)],
        "streams": [repr(sys.stdout), repr(sys.stderr)],
        "interpreter": [f"{sys.getrecursionlimit()} {sys.getswitchinterval()} {gc.isenabled()} {gc.get_threshold()}"],
    }


class Watched:
    """What the process did since it was made: files opened for writing, folders, sockets, processes."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        sys.addaudithook(self._saw)

    def _saw(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & WRITING)
            if writes and not isinstance(path, int):  # a number was opened, and seen, before
                self.acts.append(f"open {path}")
        elif event in ACTS:
            self.acts.append(" ".join([event, *map(str, arguments[:2])]))


def embedded(work: str, bundle: str, output: Path, study: str) -> dict[str, list[str]]:
    """Does the work; the threads while the Segmenter is open, after few and after many slices."""
    import miniseg_edge

    slices = [np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8) for seed in range(60)]
    while_open = {}
    with miniseg_edge.load(bundle, "auto" if work == "study" else work) as segmenter:
        segmenter.segment(slices[0])
        for name, some in (("few", slices[:5]), ("many", slices)):
            segmenter.segment_volume(np.stack(some))
            list(segmenter.stream(some))
            for job in [segmenter.submit(slice_, deadline_s=60.0) for slice_ in some]:
                job.result()
            while_open[name] = threads()
        if work == "study":
            from miniseg_edge.runtimes.study.formats import DICOM_SEG, JSON, NIFTI
            from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
            from miniseg_edge.runtimes.study.segment_study import segmented_study
            from miniseg_edge.studies import open_study

            opened = open_study(study)
            outputs = outputs_of(opened, (DICOM_SEG, NIFTI, JSON))
            write_results(segmented_study(opened, segmenter, lambda done, of: None), segmenter, output, outputs)
    return while_open


def main() -> None:
    work, bundle, output, study = sys.argv[1:5]
    watched, before, alone = Watched(), state(), threads()
    while_open = embedded(work, bundle, Path(output), study)
    after = state()
    changed = {name: sorted({*before[name]} ^ {*after[name]}) for name in before if before[name] != after[name]}
    sys.stdout.write(json.dumps({"changed": changed, "acts": watched.acts, "alone": alone, "threads": while_open}))


if __name__ == "__main__":
    main()
