import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.rewrites.columns import unpack
from miniseg_edge.export.graph.rewrites.first_layers import FirstLayers, PackedFirstLayers
from miniseg_edge.export.graph.rewrites.normalisation import normalisation_from
from miniseg_edge.export.graph.rewrites.packed_stage import PAIR
from miniseg_edge.slices.preprocessing import Statistics
from tests.conftest import random_network
from tests.export.graph.rewrites.random_parts import SEEDS, assert_equal, few

FORMS = (Form("operator"), Form("padding", normalisation="padding"))


@few
@given(
    SEEDS,
    st.integers(16, 31),
    st.integers(4, 8),
    st.sampled_from([(1, 1), (3, 1), (3, 3)]),
    st.floats(0, 1),
    st.floats(0.05, 1),
)
def test_borders_stay_what_zero_padding_of_the_normalised_slice_makes_them(
    seed: int, height: int, blocks: int, inputs_and_channels: tuple[int, int], mean: float, std: float
) -> None:
    inputs, channels = inputs_and_channels
    network = random_network(Architecture((5, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0), 2, inputs), seed).double()
    normalisation = normalisation_from(Statistics(mean, std))
    slice_ = torch.rand(2, channels, height, 2 * PAIR * blocks, dtype=torch.float64) * 255
    with torch.inference_mode():
        normalised = ((slice_ / 255 - mean) / std).expand(-1, inputs, -1, -1)
        expected = network.long1(normalised), network.down1(normalised)
        for form in FORMS:
            plain = FirstLayers(network, channels, normalisation, form, torch.float64)
            packed = PackedFirstLayers(network, channels, normalisation, form, torch.float64)
            for index, wanted in enumerate(expected):
                assert_equal(plain(slice_)[index], wanted)
                assert_equal(unpack(packed(slice_)[index], PAIR), wanted)
