"""A host whose memory runs out under an embedded runtime, and is there again: run by `test_memory.py`."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import HostLimitError, HostMemoryError
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import ByteArray

MIB = 2**20
SIDE = 3200
"""Of a slice whose logits no allocator keeps in stock: 39 MiB."""


@contextmanager
def memory_more(mib: int) -> Iterator[None]:
    """Inside, this process may have so much more address space than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + mib * MIB, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def refused(call: Callable[[], object]) -> HostLimitError:
    """Memory, or a thread, whose stack is memory too."""
    with memory_more(16):
        try:
            call()
        except HostLimitError as error:
            return error
    raise AssertionError("no HostLimitError")


def read(folder: Path) -> None:
    """A bundle that does not fit is refused, and opens when there is room."""
    refused(lambda: open_bundle(folder))
    assert open_bundle(folder).contents


def segmented(bundle: Bundle, runtime: str) -> None:
    """Slices that do not fit are refused by every way in, those that do are drawn; and then both."""
    small = phantom(1, size=(64, 64)).image
    large: ByteArray = np.tile(small, (SIDE // 64, SIDE // 64))
    large_hu = np.tile(small.astype(np.int16) * 6 - 1250, (SIDE // 64, SIDE // 64))
    with miniseg_edge.load(bundle, runtime, threads=1, streams=1) as segmenter:
        right, whole = segmenter.segment(small).mask, segmenter.segment(large).mask
        calls: tuple[Callable[[], object], ...] = (
            lambda: segmenter.segment(large),
            lambda: segmenter.segment_hu(large_hu),
            lambda: list(segmenter.segment_many([large])),
            lambda: list(segmenter.stream([large])),
            lambda: segmenter.submit(large).result(),
        )
        for call in calls:
            refused(call)
            with memory_more(16):
                np.testing.assert_array_equal(segmenter.segment(small).mask, right)
            np.testing.assert_array_equal(segmenter.segment(large).mask, whole)
        volume = np.stack([large, large, large])
        assert len(refused(lambda: segmenter.segment_volume(volume)).partial.mask) == 0
        in_the_midst(segmenter, volume, whole)


def in_the_midst(segmenter: miniseg_edge.Segmenter, volume: ByteArray, whole: ByteArray) -> None:
    """Memory that runs out after the first slice of a volume: that one is kept, and the others follow."""
    with memory_more(1000):

        def spent(done: int, of: int) -> None:
            limit = _address_space() + 16 * MIB
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))

        try:
            segmenter.segment_volume(volume, spent)
        except HostMemoryError as error:
            done = error.partial.mask
        else:
            raise AssertionError("no HostMemoryError")
    assert len(done) == 1
    rest = segmenter.segment_volume(volume[len(done) :]).mask
    np.testing.assert_array_equal(np.concatenate([done, rest]), [whole] * len(volume))


if __name__ == "__main__":
    read(Path(sys.argv[3]))
    segmented(open_bundle(sys.argv[1]), sys.argv[2])
