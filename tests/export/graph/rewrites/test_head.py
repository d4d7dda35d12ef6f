import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.export.graph.rewrites.head import over_background
from tests.export.graph.rewrites.random_parts import CHANNELS, SEEDS, SIDES, few, image, random_convolution


@few
@given(SEEDS, SIDES, SIDES, CHANNELS, st.integers(2, 5), SIDES, SIDES)
def test_differences_before_upsampling_are_differences_after(
    seed: int, height: int, width: int, channels: int, classes: int, tall: int, wide: int
) -> None:
    torch.manual_seed(seed)
    head, x = random_convolution(channels, classes), image(channels, height, width)
    logits = F.interpolate(head(x), (tall, wide), mode="bilinear", align_corners=False)
    found = F.interpolate(over_background(head)(x), (tall, wide), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, logits[:, 1:] - logits[:, :1], rtol=1e-9, atol=1e-9)
