import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.rewrites.channel_padding import padded
from tests.conftest import random_network
from tests.export.graph.rewrites.random_parts import SEEDS, assert_equal, few

MULTIPLES = st.tuples(*[st.sampled_from([1, 3, 8, 16])] * 4)


@few
@given(SEEDS, MULTIPLES, st.integers(17, 40), st.integers(17, 40), st.integers(2, 3), st.sampled_from([1, 3]))
def test_wider_layers_of_zeros_compute_the_same(
    seed: int, multiples: tuple[int, int, int, int], height: int, width: int, classes: int, inputs: int
) -> None:
    narrow = random_network(Architecture((3, 4, 8, 12), (1, 1, 2, 1), (1, 0, 1, 1), classes, inputs), seed).double()
    wide = padded(narrow, multiples)
    steps = zip(wide.architecture.channels, multiples, strict=True)
    assert all(channels % step == 0 for channels, step in steps)
    x = torch.randn(1, inputs, height, width, dtype=torch.float64)
    with torch.inference_mode():
        assert_equal(wide(x), narrow(x))


def test_what_fits_already_stays() -> None:
    network = random_network(Architecture((4, 4, 8, 8), (0, 0, 0, 0), (0, 0, 0, 0)), 1)
    assert padded(network, (2, 4, 8, 8)) is network
