"""Connected lesions, slice by slice, against SciPy's labels of the whole volume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.lesions import lesion_count

ndimage = pytest.importorskip("scipy.ndimage")
SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)


def labelled(mask: ByteArray) -> int:
    return int(ndimage.label(mask)[1])


@given(mask=arrays.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 0, 1, 2])))
def test_as_many_as_scipy_finds(mask: ByteArray) -> None:
    assert lesion_count(mask) == labelled(mask)


def test_as_many_as_scipy_finds_in_phantoms() -> None:
    mask = np.stack([phantom(seed, size=(128, 96)).mask for seed in (1, 2, 2, 5, 3, 4, 1, 0)])
    assert lesion_count(mask) == labelled(mask) > 1


def test_parts_that_meet_in_a_later_slice_are_one() -> None:
    two, bridge = np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8)
    two[2, 0] = two[2, 4] = bridge[2, :] = 1
    assert lesion_count([two]) == 2
    assert lesion_count([two, bridge]) == 1
    assert lesion_count([two, bridge, two]) == 1
    assert lesion_count([two, np.zeros_like(two), two]) == 4


def test_voxels_that_touch_by_an_edge_or_a_corner_alone_are_two() -> None:
    one, beside = np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8)
    one[0, 0] = one[1, 1] = beside[0, 1] = 1
    assert lesion_count([one]) == 2
    assert lesion_count([one, beside]) == 3


def test_nothing_is_no_lesion() -> None:
    assert lesion_count([]) == lesion_count(np.zeros((3, 4, 4), np.uint8)) == 0
