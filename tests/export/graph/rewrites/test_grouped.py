import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.grouped import dense
from tests.export.graph.rewrites.random_parts import SEEDS, SIDES, assert_equal, few, image, random_convolution


@few
@given(SEEDS, SIDES, SIDES, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]))
def test_groups_are_blocks_of_a_dense_matrix(
    seed: int, height: int, width: int, groups: int, inputs: int, outputs: int, kernel: int
) -> None:
    torch.manual_seed(seed)
    conv = random_convolution(groups * inputs, groups * outputs, kernel, groups=groups)
    found, x = dense(conv), image(groups * inputs, height, width)
    assert found.groups == 1
    assert_equal(found(x), conv(x))
