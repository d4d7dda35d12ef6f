"""A process whose user may have no more threads, and then may again: run by `test_threads.py`."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import miniseg_edge
from miniseg_edge.errors import DeadlineError, HostThreadsError, RuntimeUnavailableError
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.runtimes.segmenter.jobs import MAX_JOBS
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray
from tests.bundles import files_below

LONG_S = 200.0


@contextmanager
def threads_more(count: int) -> Iterator[None]:
    """Inside, this process may have so many more than it has; none, where its user runs others too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (len(list(Path("/proc/self/task").iterdir())) + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def refused(call: Callable[[], object]) -> HostThreadsError:
    try:
        call()
    except HostThreadsError as error:
        return error
    raise AssertionError("no HostThreadsError")


def embedded(bundle: Path, runtime: str) -> None:
    """The API: what needs a thread is refused, what needs none works, and nothing is lost by it."""
    volume = np.stack([phantom(seed, size=(64, 64)).image for seed in range(5)])
    with miniseg_edge.load(bundle, runtime, threads=2, streams=2) as segmenter:
        right = [segmenter.segment(one).mask for one in volume]
        with threads_more(0):
            assert len(refused(lambda: segmenter.segment_volume(volume)).partial.mask) < len(volume)
            refused(lambda: list(segmenter.stream(volume)))
            for _ in range(MAX_JOBS + 1):
                refused(lambda: segmenter.submit(volume[0]))
                refused(lambda: segmenter.submit(volume[0], LONG_S))
            np.testing.assert_array_equal(segmenter.segment(volume[0]).mask, right[0])
        np.testing.assert_array_equal(segmenter.segment_volume(volume).mask, right)
        jobs_are_all_there(segmenter, volume, right)
    with threads_more(0):
        reopened(bundle, runtime, volume[0], right[0])


def jobs_are_all_there(segmenter: Segmenter, volume: ByteArray, right: list[ByteArray]) -> None:
    """As many may wait as before, and their deadlines are looked at."""
    late = segmenter.submit(volume[0], 1e-9)
    assert isinstance(late.exception(LONG_S), DeadlineError)
    jobs = [segmenter.submit(volume[i % 5], LONG_S) for i in range(MAX_JOBS - 1)]
    for index, job in enumerate(jobs):
        np.testing.assert_array_equal(job.result(LONG_S).mask, right[index % 5])


def reopened(bundle: Path, runtime: str, slice_: ByteArray, right: ByteArray) -> None:
    """With one thread an engine opens, or says why not."""
    try:
        with miniseg_edge.load(bundle, runtime, threads=1, streams=1) as segmenter:
            np.testing.assert_array_equal(segmenter.segment(slice_).mask, right)
            sys.stdout.write("opened with no thread more\n")
    except (HostThreadsError, RuntimeUnavailableError) as error:  # OpenVINO passes over a device that it cannot start
        sys.stdout.write(f"{error}\n")


def command(bundle: Path, runtime: str, slices: Path, output: Path) -> None:
    """`miniseg-segment` with so few threads more: an error with a code and whole files, or all of them."""
    codes = []
    for count in range(7):
        words = [str(bundle), str(slices), "--runtime", runtime, "--threads", "2", "--output", str(output / f"{count}")]
        with threads_more(count):
            codes.append(segment(words))
        assert codes[-1] == (0 if files_below(output / f"{count}") else 1)
    assert codes[0] == 1
    assert segment([*words[:-1], str(output / "all")]) == 0


if __name__ == "__main__":
    (embedded if len(sys.argv) == 3 else command)(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:]))
