"""Deadlines in a process whose wall clock jumps: run by `test_clocks.py`."""

import sys
import threading
import time

import miniseg_edge
from miniseg_edge.errors import DeadlineError
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.jobs import Jobs
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation

LONG_S = 200.0


def wall_clock_jumps() -> None:
    looks = [time.time() for _ in range(4)]
    assert max(looks) - min(looks) > 1e6


def jobs_are_not_late_before_their_time(bundle: str) -> None:
    slices = [phantom(seed, size=(64, 64)).image for seed in range(20)]
    with miniseg_edge.load(bundle, "openvino") as segmenter:
        jobs = [segmenter.submit(slice_, LONG_S) for slice_ in slices]
        for slice_, job in zip(slices, jobs, strict=True):
            assert (job.result(LONG_S).mask == segmenter.segment(slice_).mask).all()


def jobs_are_late_in_time() -> None:
    """Behind an engine that hangs."""
    goes_on = threading.Event()

    def hangs(prepared: PreparedSlice) -> Segmentation:
        goes_on.wait(LONG_S)
        raise AssertionError("given up long ago")

    prepared = PreparedSlice(phantom(0, size=(64, 64)).image.astype("float32"), (64, 64), ())
    jobs = Jobs(hangs, 1)
    start = time.monotonic()
    found = [jobs.submit(prepared, deadline_s) for deadline_s in (0.3, 0.2, 0.1)]
    assert all(isinstance(job.exception(LONG_S), DeadlineError) for job in found)
    assert time.monotonic() - start >= 0.3
    goes_on.set()
    jobs.close()


if __name__ == "__main__":
    wall_clock_jumps()
    jobs_are_not_late_before_their_time(sys.argv[1])
    jobs_are_late_in_time()
