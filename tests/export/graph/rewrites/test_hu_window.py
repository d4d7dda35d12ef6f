import torch
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.hu_window import HuWindow
from miniseg_edge.export.graph.rewrites.normalisation import normalisation_from
from miniseg_edge.slices.preprocessing import Statistics, Window
from tests.export.graph.rewrites.random_parts import SEEDS, SIDES, few


@few
@given(SEEDS, SIDES, SIDES, st.floats(-2000, 1000), st.floats(1, 4000), st.floats(0, 1), st.floats(0.05, 1))
def test_clipping_and_the_affine_rest_are_the_window_and_the_normalisation(
    seed: int, height: int, width: int, low: float, span: float, mean: float, std: float
) -> None:
    torch.manual_seed(seed)
    window, statistics = Window(low, low + span), Statistics(mean, std)
    hu = torch.rand(2, 1, height, width, dtype=torch.float64) * 8000 - 4000
    grey = (255 * (hu - window.low_hu) / (window.high_hu - window.low_hu)).clamp(0, 255)
    normalisation = normalisation_from(statistics, window)
    found = HuWindow(window)(hu) * normalisation.factor + normalisation.offset
    # The affine part is a difference of numbers up to |low| / span / std.
    torch.testing.assert_close(found, (grey / 255 - mean) / std, rtol=1e-9, atol=1e-9)
    assert window.low_hu - 1e-6 * span <= normalisation.zero <= window.high_hu + 1e-6 * span
