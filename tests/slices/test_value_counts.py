import operator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np
import pytest

from miniseg_edge.slices.value_counts import BIN_HU, LOW_HU, MAX_FEW, SAMPLED_PIXELS, Tally, counted
from tests.ct_values import phantom_hu


def test_every_value_of_a_small_slice_is_counted() -> None:
    values = np.array([[-40000, -1000, -999], [0, 7, 40000]], np.int32)
    counts = counted(values)
    wanted = {0: 1, (-1000 - LOW_HU) // BIN_HU: 2, -LOW_HU // BIN_HU: 2, 2 * -LOW_HU // BIN_HU - 1: 1}
    assert {int(index): int(counts.bins[index]) for index in np.flatnonzero(counts.bins)} == wanted
    assert (counts.slices, counts.low, counts.high, counts.whole) == (1, -40000, 40000, True)
    assert counts.few == frozenset(map(float, values.ravel()))


def test_of_a_large_slice_a_sixteenth_is_counted() -> None:
    counts = counted(phantom_hu(1, (512, 512))[0])
    assert counts.bins.sum() == SAMPLED_PIXELS
    assert counts.few is None


def test_a_label_of_one_pixel_is_not_missed() -> None:
    mask = np.zeros((512, 512), np.int16)
    mask[1, 1] = 3
    assert counted(mask).few == frozenset({0.0, 3.0})
    assert counted(mask).high == 3


def test_fractions_are_seen() -> None:
    values = np.zeros((64, 64), np.float32)
    assert counted(values).whole
    values[10, 10] = 0.5
    assert not counted(values).whole


def test_channels_are_counted_together() -> None:
    slices = phantom_hu(3)
    counts = counted(np.stack(list(slices), axis=-1))
    assert counts.slices == 1
    np.testing.assert_array_equal(counts.bins, sum(counted(slice_).bins for slice_ in slices))


def test_counts_of_slices_add_up_to_those_of_the_volume() -> None:
    slices = phantom_hu(5)
    total = reduce(operator.add, (counted(slice_, lungs=True) for slice_ in slices))
    np.testing.assert_array_equal(total.bins, counted(slices.reshape(-1, 64)).bins)
    assert (total.slices, total.low, total.high) == (5, slices.min(), slices.max())
    assert total.inside > total.lung > 0


def test_few_values_of_each_may_be_many_together() -> None:
    ramps = [np.arange(20 * index, 20 * index + 20, dtype=np.int16).reshape(4, 5) for index in range(3)]
    two = counted(ramps[0]) + counted(ramps[0])
    assert two.few is not None
    assert len(two.few) == 20
    assert (two + counted(ramps[1])).few is None
    assert MAX_FEW < 40


def test_a_tally_counts_each_slice_once_from_many_threads() -> None:
    slices = phantom_hu(6)
    tally = Tally()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: tally.add(index % 6, slices[index % 6]), range(48)))
    assert tally.total.slices == 6
    assert tally.missing(8) == [6, 7]
    np.testing.assert_array_equal(tally.total.bins, sum(counted(slice_).bins for slice_ in slices))


@pytest.mark.parametrize("turn", [0, 1])
def test_lungs_are_what_is_dark_inside_the_body(turn: int) -> None:
    chest = np.full((64, 64), -1000, np.int16)
    chest[10:54, 10:54] = 40
    chest[20:44, 16:30] = chest[20:44, 34:48] = -800
    chest[2:8] = -800  # a pillow
    counts = counted(np.rot90(chest, turn), lungs=True)
    assert counts.lung == 2 * 12 * 7
    assert counts.inside == 22 * 22
