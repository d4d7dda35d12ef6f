"""HU from stored values: the fast way and the exact way are one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import InputError
from miniseg_edge.studies.volume import hu_from_stored, hu_in_range

RESCALES = st.one_of(st.integers(-70_000, 70_000).map(float), st.floats(-1e6, 1e6, allow_nan=False))


@given(
    values=st.lists(st.integers(0, 65_535), min_size=1, max_size=40),
    signed=st.booleans(),
    slope=RESCALES.filter(bool),
    intercept=RESCALES,
)
def test_hu_are_those_of_double_precision(values: list[int], signed: bool, slope: float, intercept: float) -> None:
    stored = np.array(values, np.uint16).view(np.int16 if signed else np.uint16)
    hu, remarks = hu_from_stored(stored, slope, intercept)
    expected, remarked = hu_in_range(stored.astype(np.float64) * slope + intercept)
    assert (hu.tobytes(), remarks) == (expected.tobytes(), remarked)
    assert hu.dtype == np.float32


def test_stored_values_stay_as_they_are() -> None:
    stored = np.arange(6, dtype=np.int16).reshape(2, 3)
    stored.flags.writeable = False
    hu, _ = hu_from_stored(stored, 2, -1024)
    np.testing.assert_array_equal(hu, np.array([[-1024, -1022, -1020], [-1018, -1016, -1014]], np.float32))


def test_hu_beyond_all_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        hu_from_stored(np.array([[2]], np.int16), 1.7e308, 0.0)
