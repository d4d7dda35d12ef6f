"""Sources that reuse their buffer, as grabbers do: each slice gets its own mask, and what was checked is what runs."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import miniseg_edge
from miniseg_edge.errors import InputError
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray

Array = npt.NDArray[Any]
Masks = list[ByteArray]

SIZE = (64, 64)
COUNT = 24
WAIT_S = 60.0


@cache
def grey(seed: int) -> Array:
    image = phantom(seed, size=SIZE).image
    image.setflags(write=False)
    return image


def hu(seed: int) -> Array:
    """The same slices on the HU scale of the bundle's window."""
    return np.asarray(grey(seed).astype(np.float32) / 255 * 1500 - 1250, np.int16)


def masks_of(results: Iterable[Any]) -> Masks:
    return [result.mask for result in results]


def submitted(submit: Callable[[Array], Any], slices: Iterable[Array]) -> Masks:
    return [job.result(WAIT_S).mask for job in map(submit, slices)]


ENTRIES: dict[str, tuple[Callable[[int], Array], Callable[[Segmenter, Iterator[Array]], Masks]]] = {
    "segment_many": (grey, lambda segmenter, slices: masks_of(segmenter.segment_many(slices))),
    "segment_many_hu": (hu, lambda segmenter, slices: masks_of(segmenter.segment_many_hu(slices, assume_hu=True))),
    "stream": (grey, lambda segmenter, slices: masks_of(segmenter.stream(slices))),
    "stream_hu": (hu, lambda segmenter, slices: masks_of(segmenter.stream_hu(slices, assume_hu=True))),
    "submit": (grey, lambda segmenter, slices: submitted(segmenter.submit, slices)),
    "submit_hu": (
        hu,
        lambda segmenter, slices: submitted(lambda one: segmenter.submit_hu(one, assume_hu=True), slices),
    ),
}


def array(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path) -> Array:
    return np.zeros(shape, dtype)


def memory_map(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path) -> Array:
    return np.memmap(folder / "frame.raw", np.dtype(dtype), "w+", shape=shape)


def view(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path) -> Array:
    """A part of a larger frame, neither contiguous nor the right way round."""
    return np.zeros((2 * shape[0] + 2, shape[1] + 5), dtype)[1:-1:2, 3:-2][::-1]


BUFFERS = (array, memory_map, view)


def refilled(frames: Iterable[Array], buffer: Array) -> Iterator[Array]:
    """A grabber that fills its buffer when the next frame is asked for."""
    for frame in frames:
        buffer[:] = frame
        yield buffer
        buffer[:] = 7


def grabbed(frames: Iterable[Array], buffer: Array) -> Iterator[Array]:
    """A grabber that fills its buffer in a thread of its own, from the moment when the next frame is asked for."""
    wanted, there = threading.Semaphore(0), threading.Semaphore(0)
    left = list(frames)

    def grab() -> None:
        for frame in left:
            wanted.acquire()
            buffer[:] = 7
            buffer[:] = frame
            there.release()

    threading.Thread(target=grab, daemon=True).start()
    for _ in left:
        wanted.release()
        assert there.acquire(timeout=WAIT_S)
        yield buffer


@pytest.fixture(scope="module")
def segmenter(demo_bundle_path: Path) -> Iterator[Segmenter]:
    with miniseg_edge.load(demo_bundle_path, "openvino", streams=4) as opened:
        yield opened


@pytest.mark.parametrize("source", [refilled, grabbed])
@pytest.mark.parametrize("make", BUFFERS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_each_slice_gets_its_own_mask(
    segmenter: Segmenter,
    tmp_path: Path,
    entry: str,
    make: Callable[..., Array],
    source: Callable[[Iterable[Array], Array], Iterator[Array]],
) -> None:
    frame, masks = ENTRIES[entry]
    frames = [frame(seed) for seed in range(COUNT)]
    wanted = [segmenter.segment(grey(seed)).mask for seed in range(COUNT)]
    if frame is hu:
        wanted = [segmenter.segment_hu(one, assume_hu=True).mask for one in frames]
    found = masks(segmenter, source(frames, make(SIZE, frames[0].dtype, tmp_path)))
    assert len({mask.tobytes() for mask in wanted}) > COUNT / 2
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_volume_on_the_disk_is_a_volume(segmenter: Segmenter, tmp_path: Path) -> None:
    volume = memory_map((6, *SIZE), np.uint8, tmp_path)
    volume[:] = [grey(seed) for seed in range(6)]
    np.testing.assert_array_equal(
        segmenter.segment_volume(volume).mask, segmenter.segment_volume(np.array(volume)).mask
    )


class _WrittenWhenChecked(np.ndarray[Any, Any]):
    """An array into which another thread writes at the worst moment: when its values have just been looked at."""

    def min(self, *words: Any, **told: Any) -> Any:
        found = super().min(*words, **told)
        self[:] = np.nan
        return found

    def max(self, *words: Any, **told: Any) -> Any:
        found = super().max(*words, **told)
        self[:] = np.nan
        return found


def test_what_was_checked_is_what_runs(segmenter: Segmenter) -> None:
    values = hu(1).astype(np.float32)
    wanted = segmenter.segment_hu(values.copy(), assume_hu=True).mask
    found = segmenter.segment_hu(values.copy().view(_WrittenWhenChecked), assume_hu=True)
    np.testing.assert_array_equal(found.mask, wanted)


ABSURD = 3e4


@pytest.mark.parametrize("value", [ABSURD, -ABSURD, np.nan])
def test_a_masked_array_is_refused_whatever_lies_below_its_mask(segmenter: Segmenter, value: float) -> None:
    hidden = np.zeros(SIZE, bool)
    hidden[3, 4] = True
    slice_, slice_hu = (np.where(hidden, value, one).astype(np.float32) for one in (grey(1), hu(1)))
    slice_, slice_hu = np.ma.array(slice_, mask=hidden), np.ma.array(slice_hu, mask=hidden)
    ways: list[Callable[[], object]] = [
        lambda: segmenter.segment(slice_),
        lambda: segmenter.segment_hu(slice_hu, assume_hu=True),
        lambda: segmenter.segment_volume(slice_[None]),
        lambda: segmenter.segment_volume_hu(slice_hu[None], assume_hu=True),
        lambda: list(segmenter.segment_many([slice_])),
        lambda: list(segmenter.segment_many_hu([slice_hu], assume_hu=True)),
        lambda: list(segmenter.stream([slice_])),
        lambda: list(segmenter.stream_hu([slice_hu], assume_hu=True)),
        lambda: list(segmenter.segment_read_hu(lambda index: slice_hu, [0], assume_hu=True)),
        lambda: segmenter.submit(slice_),
        lambda: segmenter.submit_hu(slice_hu, assume_hu=True),
    ]
    for way in ways:
        with pytest.raises(InputError, match="masked"):
            way()


@pytest.mark.slow
def test_ten_thousand_slices_of_eight_threads_have_the_serial_masks(segmenter: Segmenter) -> None:
    threads, each = 8, 1250
    serial = [segmenter.segment(grey(seed)).mask for seed in range(COUNT)]
    frames = [grey(seed) for seed in range(COUNT)]

    def wrong(thread: int) -> int:
        order = np.random.default_rng(thread).integers(0, COUNT, each)
        run = segmenter.stream if thread % 2 else segmenter.segment_many
        results = run(refilled((frames[index] for index in order), np.zeros(SIZE, np.uint8)))
        pairs = zip(results, order, strict=True)
        return sum(not np.array_equal(result.mask, serial[index]) for result, index in pairs)

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(wrong, range(threads))) == [0] * threads
