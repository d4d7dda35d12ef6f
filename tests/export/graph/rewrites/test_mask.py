import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.mask import Mask
from miniseg_edge.slices.preprocessing import mask_from_logits
from miniseg_edge.tensors import NOT_FINITE
from tests.export.graph.rewrites.random_parts import SEEDS, SIDES, few


@few
@given(SEEDS, SIDES, SIDES, st.integers(1, 4))
def test_is_the_class_that_the_logits_name(seed: int, height: int, width: int, maps: int) -> None:
    torch.manual_seed(seed)
    logits = torch.randint(-2, 3, (2, maps, height, width)).float()  # small integers, so that ties happen
    found = Mask()(logits).numpy()
    assert found.shape == (2, 1, height, width)
    assert found.dtype == np.uint8
    for one, expected in zip(found, logits.numpy(), strict=True):
        np.testing.assert_array_equal(one[0], mask_from_logits(expected))


@pytest.mark.parametrize("maps", [1, 3])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_no_class(maps: int, poison: float) -> None:
    logits = torch.ones(1, maps, 2, 2)
    logits[0, 0, 1, 0] = poison
    np.testing.assert_array_equal(Mask()(logits)[0, 0] == NOT_FINITE, [[False, False], [True, False]])
