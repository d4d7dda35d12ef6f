"""What a caller hands to a run is read and written exactly: it lies between pages that must not be touched."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.native.binding import Model
from tests.native.kernels.child import in_child, now
from tests.native.kernels.memory import Memory
from tests.native.plans import case

SHAPE = Architecture((3, 4, 4, 8), (1, 0, 1, 0), (1, 0, 0, 0), classes=3, in_channels=2)
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 70))

Array = npt.NDArray[np.generic]


def between_pages(memory: Memory, array: Array, order: tuple[int, ...], steps: tuple[int, ...]) -> Array:
    """The same values, whose axes lie in memory in this order, the last one closest together, with gaps or mirrored.

    A step of 2 leaves every second place out, a negative one runs backwards. The first and the last byte are values.
    """
    strides = [0] * array.ndim
    distance = array.itemsize
    for axis in reversed(order):
        strides[axis] = distance * abs(steps[axis])
        distance = strides[axis] * array.shape[axis]
    spans = [stride * (n - 1) for stride, n in zip(strides, array.shape, strict=True)]
    block = memory.bytes(sum(spans) + array.itemsize)
    block[:] = 0xA5
    view = np.ndarray(array.shape, array.dtype, block.data, 0, strides)
    view = view[tuple(slice(None, None, -1 if step < 0 else 1) for step in steps)]
    view[...] = array
    return view


def spaces(memory: Memory, shape: tuple[int, ...], dtype: npt.DTypeLike, gaps: tuple[int, int]) -> tuple[Array, Array]:
    """A result's place with gaps between rows and maps, which ends at its last pixel; and its whole block."""
    maps, height, width = shape
    size = np.dtype(dtype).itemsize
    row = (width + gaps[0]) * size
    plane = row * height + gaps[1] * size
    block = memory.bytes((maps - 1) * plane + (height - 1) * row + width * size)
    block[:] = 0xA5
    return np.ndarray(shape, dtype, block.data, 0, (plane, row, size)), block


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_slices_and_results(dtype: type[np.generic]) -> None:
    """Any size, order of axes, gap and direction; no byte beside a result changes."""

    @settings(max_examples=60)
    @given(
        SIZES,
        st.sampled_from([(0, 1, 2), (1, 2, 0), (0, 2, 1), (2, 1, 0)]),
        st.tuples(*[st.sampled_from([1, -1, 2, -3])] * 3),
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
        st.integers(1, 3),
    )
    def check(
        size: tuple[int, int], order: tuple[int, int, int], steps: tuple[int, int, int], gaps: tuple[int, int],
        choices: tuple[bool, bool, bool], threads: int,
    ) -> None:  # fmt: skip
        behind, mask, larger = choices
        slice_ = np.random.default_rng(0).integers(0, 256, (2, *size)).astype(dtype)
        now(f"a run of {dtype.__name__} {(size, order, steps, gaps, choices, threads)}")
        memory = Memory(behind)
        lying = between_pages(memory, slice_, order, steps)
        result, block = spaces(memory, (1 if mask else 2, *size), np.uint8 if mask else np.float32, gaps)
        expected = result.copy()
        before = block.copy()
        with Model(plan) as model, model.context((size[0] + 9 * larger, size[1] + 40 * larger), threads) as context:
            context.run(slice_, expected)
            context.run(lying, result)
        assert np.array_equal(result, expected)
        result[...] = np.frombuffer(b"\xa5" * expected.nbytes, expected.dtype).reshape(expected.shape)
        assert np.array_equal(block, before), "written between rows"

    plan = case(SHAPE, channels=2).plan
    in_child(check)


@pytest.mark.parametrize("fault", ["slice", "result"])
def test_a_byte_too_few_is_told(fault: str) -> None:
    """The pages are where they should be: what lies one column further ends in one."""
    plan = case(SHAPE, channels=2).plan

    def further(array: Array) -> Array:
        return np.lib.stride_tricks.as_strided(array[:, :, 1:], array.shape)

    def check() -> None:
        memory = Memory(behind=True)
        slice_ = between_pages(memory, np.zeros((2, 5, 7), np.uint8), (0, 1, 2), (1, 1, 1))
        result, _ = spaces(memory, (2, 5, 7), np.float32, (0, 0))
        if fault == "slice":
            slice_ = further(slice_)
        else:
            result = further(result)
        now(fault)
        with Model(plan) as model, model.context((5, 7)) as context:
            context.run(slice_, result)

    with pytest.raises(AssertionError, match=f"SIGSEGV in {fault}"):
        in_child(check)
