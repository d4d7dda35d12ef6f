import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import UsageError
from miniseg_edge.training.data.folds import folds_of
from miniseg_edge.training.data.samples import Sample

PIXELS = np.zeros((2, 2), np.uint8)


@given(groups=st.lists(st.integers(0, 9), min_size=2, max_size=40), seed=st.integers(0, 99), data=st.data())
def test_each_slice_is_held_out_once_and_no_group_is_torn_apart(
    groups: list[int], seed: int, data: st.DataObject
) -> None:
    samples = [Sample(str(index), f"g{group}", PIXELS, PIXELS) for index, group in enumerate(groups)]
    most = len(set(groups))
    if most < 2:
        with pytest.raises(UsageError, match=r"nothing can be held out.*--on-all"):
            folds_of(samples, 2, seed)
        return
    folds = folds_of(samples, data.draw(st.integers(2, most)), seed)
    assert sorted(s.name for fold in folds for s in fold.held_out) == sorted(s.name for s in samples)
    for fold in folds:
        assert {s.name for s in fold.training} | {s.name for s in fold.held_out} == {s.name for s in samples}
        assert not {s.group for s in fold.training} & {s.group for s in fold.held_out}
    sizes = [len({s.group for s in fold.held_out}) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_the_seed_divides() -> None:
    samples = [Sample(str(index), str(index), PIXELS, PIXELS) for index in range(20)]
    first, again, other = (folds_of(samples, 5, seed) for seed in (1, 1, 2))
    assert first == again
    assert [s.name for s in first[0].held_out] != [s.name for s in other[0].held_out]


@pytest.mark.parametrize("count", [0, 1, 21])
def test_folds_that_cannot_be(count: int) -> None:
    samples = [Sample(str(index), str(index), PIXELS, PIXELS) for index in range(20)]
    with pytest.raises(UsageError):
        folds_of(samples, count, 0)
