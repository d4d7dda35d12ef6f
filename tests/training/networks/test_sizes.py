import pytest
import torch
from torch import Tensor, nn

from miniseg_edge.training.networks.registry import NetworkIdentity, RegisteredNetwork, build_network
from miniseg_edge.training.networks.sizes import SizeRefusal, TakenSize, obstacle_to, size_refusal
from tests.networks import TINY_UNET


class Fixed(nn.Module):
    """Takes one size, or none."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.side:
            raise ValueError(f"I take\n{self.side} alone")
        return torch.zeros(x.shape[0], 2, *x.shape[2:])


def fixed(side: int) -> RegisteredNetwork:
    return RegisteredNetwork(NetworkIdentity("fixed", 3, 2), Fixed(side))


def test_miniseg_takes_every_size() -> None:
    assert [size_refusal(build_network("miniseg-83k"), size) for size in ((33, 47), (64, 64))] == [None, None]


@pytest.mark.parametrize(("size", "instead"), [((47, 63), TakenSize(2, 48, 64)), ((24, 41), TakenSize(2, 24, 42))])
def test_the_next_larger_size_is_named(size: tuple[int, int], instead: TakenSize) -> None:
    refusal = size_refusal(build_network(TINY_UNET), size)
    assert refusal is not None
    assert refusal.instead == instead
    assert refusal.obstacle


def test_what_takes_no_size_near_it_says_why() -> None:
    assert size_refusal(fixed(7), (16, 16)) == SizeRefusal("I take 7 alone", None)


def test_an_output_of_another_shape_is_an_obstacle() -> None:
    network = RegisteredNetwork(NetworkIdentity("half", 3, 2), nn.Conv2d(3, 2, 1, stride=2))
    assert obstacle_to(network, (8, 8)) == "an output of shape (1, 2, 4, 4) where (1, 2, 8, 8) belongs"
