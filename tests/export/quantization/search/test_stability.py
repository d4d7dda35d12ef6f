"""Subsets of calibration slices, and what they say."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import UsageError
from miniseg_edge.export.quantization.search.stability import (
    DROPPED,
    LIMIT,
    SUBSETS,
    Stability,
    stability,
    subsets_without,
)


@given(count=st.integers(5, 64), seed=st.integers(0, 2**32))
def test_ten_different_pairs_are_left_out_each_slice_once_before_any_twice(count: int, seed: int) -> None:
    found = subsets_without(count, seed)
    assert found == subsets_without(count, seed)
    assert len(set(found)) == len(found) == SUBSETS
    for pair in found:
        assert len(set(pair)) == DROPPED
        assert set(pair) <= set(range(count))
    whole = min(SUBSETS, count // DROPPED)
    assert len({index for pair in found[:whole] for index in pair}) == whole * DROPPED


def test_too_few_slices_are_refused() -> None:
    with pytest.raises(UsageError, match="too few calibration slices"):
        subsets_without(4, 0)


def test_the_spread_is_that_of_the_worst_slices_dice() -> None:
    given_: list[Collection[int]] = []

    def worst_of(left_out: Collection[int]) -> float:
        given_.append(left_out)
        return 0.9 + 0.001 * len(given_)

    without = subsets_without(20, 3)
    found = stability(without, worst_of)
    assert given_ == list(without)
    assert found.spread == pytest.approx(0.009)
    assert found.safe
    assert "0.9010 to 0.9100" in str(found)


def test_at_the_limit_it_is_not_safe() -> None:
    assert not Stability((0.5, 0.5 + LIMIT)).safe
    assert Stability((0.5,)).safe
