from pathlib import Path

import pytest
import torch

from miniseg_edge.architecture import PRESETS, Architecture, preset_name
from miniseg_edge.training.networks.miniseg import AHSPBlock, MiniSeg


@pytest.mark.parametrize(
    ("preset", "auxiliary", "parameters"),
    [("miniseg-83k", True, 82_912), ("miniseg-83k", False, 82_666), ("miniseg-472k-budget", True, 470_416)],
)
def test_parameter_counts(preset: str, auxiliary: bool, parameters: int) -> None:
    network = MiniSeg(PRESETS[preset], auxiliary=auxiliary)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert preset_name(network.architecture) == preset


def test_state_dict_matches_the_published_names_to_the_letter(shared: Path) -> None:
    listed = [line.split("\t") for line in (shared / "state_dict_keys.txt").read_text().splitlines()]
    ours = [[name, str(list(tensor.shape))] for name, tensor in MiniSeg().state_dict().items()]
    assert ours == listed
    assert len(MiniSeg(auxiliary=False).state_dict()) == 461


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 100)])
def test_any_size_comes_back_in_its_size(size: tuple[int, int]) -> None:
    network = MiniSeg().eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, *size)).shape == (2, 2, *size)
        assert [head.shape for head in network.forward_all(torch.rand(1, 3, *size))] == [(1, 2, *size)] * 4


def test_the_pyramid_adds_up_as_described() -> None:
    """d1 += p, d2 += d1, ...; each gated by its own map; written out a second time, branch by branch."""
    torch.manual_seed(0)
    block = AHSPBlock(4, 8, stride=2).eval()
    x = torch.rand(1, 4, 20, 22)
    with torch.inference_mode():
        s = block.conv1x1_down(x)
        d = [block.conv1(s), block.conv2(s), block.conv3(s), block.conv4(s)]
        d[0] = d[0] + torch.nn.functional.avg_pool2d(s, 3, 2, 1, count_include_pad=True)
        for k in (1, 2, 3):
            d[k] = d[k] + d[k - 1]
        a = torch.sigmoid(block.attention(torch.cat(d, 1)))
        d = [d[k] + d[k] * a[:, k : k + 1] for k in range(4)]
        torch.testing.assert_close(block(x), block.act(block.bn(block.conv1x1_fuse(torch.cat(d, 1)))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": (8, 22, 32, 64)},
        {"channels": (0, 24, 32, 64)},
        {"classes": 1},
        {"long_depths": (3, 1, 4, 3)},
        {"channels": (8, 24, 32, 4096)},
        {"depths": (2, 3, 8, 1000)},
    ],
)
def test_shapes_that_are_no_miniseg_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"channels|classes|deeper|blocks"):
        Architecture(**wrong)  # type: ignore[arg-type]
