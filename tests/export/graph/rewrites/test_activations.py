import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from miniseg_edge.export.graph.rewrites.activations import Maximum, prelu
from tests.export.graph.rewrites.random_parts import CHANNELS, SEEDS, SIDES, few, image


@few
@given(SEEDS, SIDES, SIDES, CHANNELS)
def test_slopes_up_to_one_are_a_maximum(seed: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(seed)
    slopes, x = 1 - torch.rand(channels, dtype=torch.float64) * 3, image(channels, height, width)
    found = prelu(slopes, "maximum", torch.float64)
    assert isinstance(found, Maximum)
    assert torch.equal(found(x), F.prelu(x, slopes))


def test_steeper_slopes_stay_a_prelu() -> None:
    slopes, x = torch.tensor([0.5, 1.5], dtype=torch.float64), image(2, 3, 3)
    found = prelu(slopes, "maximum", torch.float64)
    assert isinstance(found, nn.PReLU)
    assert torch.equal(found(x), F.prelu(x, slopes))
