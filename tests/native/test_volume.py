"""Volumes: the bits of slice after slice, under progress, stops and cancellations, and however the arrays lie."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from ctypes import byref, c_uint32

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.native.binding import Context, InstructionSet, Model
from miniseg_edge.native.structures import (
    PROGRESS,
    Code,
    Error,
    NativeError,
    Output,
    Slice,
    Volume,
    output_of,
    slice_of,
)
from tests.native.plans import case

RANDOM = np.random.default_rng(9)
SLICES = RANDOM.integers(0, 256, (6, 37, 50), dtype=np.uint8)
WAIT_S = 60.0


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model(case().plan) as opened:
        yield opened


@pytest.fixture
def context(model: Model) -> Iterator[Context]:
    with model.context((37, 50), 2) as opened:
        yield opened


def logits_of(context: Context, slices: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    return np.stack([context.logits(slice_) for slice_ in slices])


def room(slices: npt.NDArray[np.generic], maps: int = 1) -> npt.NDArray[np.float32]:
    return np.full((len(slices), maps, *slices.shape[-2:]), np.nan, np.float32)


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 5),
    size=st.tuples(st.integers(1, 37), st.integers(1, 50)),
    kind=st.sampled_from([np.uint8, np.int16, np.float32]),
    threads=st.integers(1, 3),
)
def test_the_bits_of_slice_after_slice(
    model: Model, count: int, size: tuple[int, int], kind: type[np.generic], threads: int
) -> None:
    slices = RANDOM.integers(0, 256, (count, *size)).astype(kind)
    with model.context((37, 50), threads) as context:
        found, masks = room(slices), np.empty((count, 1, *size), np.uint8)
        context.volume(slices, found)
        context.volume(slices, masks)
        assert found.tobytes() == logits_of(context, slices).tobytes()
        np.testing.assert_array_equal(masks[:, 0], [context.mask(slice_) for slice_ in slices])


@pytest.mark.parametrize(
    "arranged",
    [
        lambda a: a[::-1],
        lambda a: a[::2],
        lambda a: a.transpose(0, 2, 1)[:, :37, :37],
        lambda a: np.broadcast_to(a[:1], (4, *a.shape[1:])),
        np.asfortranarray,
        lambda a: a[:, ::-1, ::-3],
    ],
)
def test_however_the_slices_lie(
    context: Context, arranged: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
) -> None:
    slices = arranged(SLICES)
    found = room(slices)[::-1]  # results from back to front
    context.volume(slices, found)
    assert found.tobytes() == logits_of(context, slices).tobytes()


def test_several_channels_and_classes() -> None:
    network = Architecture(channels=(3, 8, 12, 20), depths=(1, 1, 2, 1), long_depths=(1, 0, 1, 1), classes=4)
    slices = RANDOM.random((3, 3, 20, 30), np.float32) * 255
    with Model(case(network, channels=3).plan) as model, model.context((20, 30), 2) as context:
        found = room(slices, 3)
        context.volume(slices, found)
        assert found.tobytes() == logits_of(context, slices).tobytes()


def test_progress_is_told_of_each_slice_in_the_callers_thread(context: Context) -> None:
    told: list[tuple[int, int, int]] = []
    found, expected = room(SLICES), logits_of(context, SLICES)

    def progress(done: int, count: int) -> None:
        told.append((done, count, threading.get_ident()))
        np.testing.assert_array_equal(found[:done], expected[:done])

    context.volume(SLICES, found, progress)
    assert told == [(done, 6, threading.get_ident()) for done in range(1, 7)]


def test_progress_stops_the_run(context: Context) -> None:
    found, expected = room(SLICES), logits_of(context, SLICES)
    with pytest.raises(NativeError, match="the caller stopped the run") as caught:
        context.volume(SLICES, found, lambda done, count: done == 4)
    assert caught.value.code == Code.CANCELLED
    np.testing.assert_array_equal(found[:4], expected[:4])
    assert np.isnan(found[4:]).all()
    context.volume(SLICES, found, lambda done, count: done == count)  # nothing is left to stop
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_what_progress_raises_stops_the_run_and_is_raised(context: Context, kind: type[BaseException]) -> None:
    found, expected = room(SLICES), logits_of(context, SLICES)

    def progress(done: int, count: int) -> None:
        if done == 2:
            raise kind

    with pytest.raises(kind):
        context.volume(SLICES, found, progress)
    np.testing.assert_array_equal(found[:2], expected[:2])
    assert np.isnan(found[2:]).all()
    context.volume(SLICES, found)
    np.testing.assert_array_equal(found, expected)


def test_progress_may_cancel_and_may_not_run(context: Context) -> None:
    found, codes = room(SLICES), []

    def progress(done: int, count: int) -> None:
        with pytest.raises(NativeError) as caught:
            context.logits(SLICES[0])
        codes.append(caught.value.code)
        assert context.cancel()

    with pytest.raises(NativeError) as caught:
        context.volume(SLICES, found, progress)
    assert (caught.value.code, codes) == (Code.CANCELLED, [Code.BUSY])
    np.testing.assert_array_equal(context.logits(SLICES[0]), logits_of(context, SLICES[:1])[0])


@pytest.mark.parametrize("how", [Context.cancel, Context.close])
def test_another_thread_ends_the_whole_volume(how: Callable[[Context], object]) -> None:
    with Model(case().plan, InstructionSet.PLAIN) as model, model.context((256, 256), 2) as context:
        slices = np.broadcast_to(RANDOM.integers(0, 256, (256, 256), dtype=np.uint8), (100_000, 256, 256))
        found = np.broadcast_to(np.empty((1, 256, 256), np.float32), (100_000, 1, 256, 256))
        found.flags.writeable = True  # one after the other over each other: hours, unless somebody ends it
        begun, codes = threading.Event(), []

        def run() -> None:
            try:
                context.volume(slices, found, lambda done, count: begun.set())
            except NativeError as error:
                codes.append(error.code)

        thread = threading.Thread(target=run)
        thread.start()
        assert begun.wait(WAIT_S)
        how(context)
        thread.join(WAIT_S)
        assert codes == [Code.CANCELLED]


def test_no_slices(context: Context) -> None:
    empty = SLICES[:0]
    context.volume(empty, room(empty), lambda done, count: pytest.fail("there is nothing to tell"))
    volume, done, error = Volume(ctypes.sizeof(Volume)), c_uint32(7), Error()
    words = (byref(Slice()), byref(Output()), byref(volume), byref(done), byref(error))
    assert raw(context, *words) == Code.OK
    assert done.value == 0


def raw(context: Context, *words: object) -> int:
    code: int = context._library.miniseg_run_volume(context._handle, *words)
    return code


def test_how_many_are_done_is_told_beside_the_code(context: Context) -> None:
    found, done, error = room(SLICES), c_uint32(7), Error()
    given, wanted = slice_of(SLICES[0], 1), output_of(found[0], 2, (37, 50))
    stops = PROGRESS(lambda user, done, count: int(done == 3))
    volume = Volume(ctypes.sizeof(Volume), 6, SLICES.strides[0], found.strides[0], stops)
    words = (byref(given), byref(wanted), byref(volume), byref(done), byref(error))
    assert (raw(context, *words), done.value) == (Code.CANCELLED, 3)
    volume.slices = 3
    assert (raw(context, *words), done.value) == (Code.OK, 3)
    volume.output_stride += 1
    assert (raw(context, *words), done.value) == (Code.ARGUMENT, 0)
    volume.struct_size -= 8
    assert (raw(context, *words), done.value) == (Code.ARGUMENT, 0)
    assert raw(context, *words[:3], None, None) == Code.ARGUMENT


def test_strides_that_are_not_aligned(context: Context) -> None:
    slices = np.zeros((3, 37, 50), np.int16)
    found, error = room(slices), Error()
    given, wanted = slice_of(slices[0], 1), output_of(found[0], 2, (37, 50))
    volume = Volume(ctypes.sizeof(Volume), 3, slices.strides[0] + 1, found.strides[0])
    assert raw(context, byref(given), byref(wanted), byref(volume), None, byref(error)) == Code.ARGUMENT
    assert b"aligned" in error.message


@pytest.mark.parametrize(
    ("slices", "output"),
    [
        (SLICES, room(SLICES[:5])),
        (SLICES[0], room(SLICES)),
        (SLICES, room(SLICES, 2)),
        (SLICES, room(SLICES)[0]),
        (SLICES.astype(np.float64), room(SLICES)),
        (np.zeros((2, 38, 50), np.uint8), np.zeros((2, 1, 38, 50), np.float32)),
    ],
)
def test_arrays_that_do_not_fit(
    context: Context, slices: npt.NDArray[np.generic], output: npt.NDArray[np.generic]
) -> None:
    with pytest.raises(NativeError) as caught:
        context.volume(slices, output)
    assert caught.value.code == Code.ARGUMENT
