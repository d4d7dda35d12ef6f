import pytest
import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, Feeding
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.networks.miniseg import MiniSeg
from tests.conftest import random_network


@pytest.mark.parametrize(("classes", "in_channels"), [(2, 3), (2, 1), (4, 3)])
def test_equals_normalisation_network_and_difference(classes: int, in_channels: int) -> None:
    network = random_network(Architecture((4, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1, 1), classes, in_channels), 3).double()
    graph = DeploymentGraph(network, Feeding(Statistics(0.6, 0.3))).eval()
    slice_ = torch.rand(2, 1, 37, 45, dtype=torch.float64) * 255
    with torch.inference_mode():
        logits = network(((slice_ / 255 - 0.6) / 0.3).expand(-1, in_channels, -1, -1))
        torch.testing.assert_close(graph(slice_), logits[:, 1:] - logits[:, :1], rtol=1e-9, atol=1e-9)


def test_leaves_the_zero_padding_at_the_borders_alone() -> None:
    """A slice that normalises to 0 everywhere must give what the network gives for zeros."""
    network = MiniSeg(Architecture((4, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1, 1))).eval()
    graph = DeploymentGraph(network, Feeding(Statistics(0.6, 0.3))).eval()
    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, 32, 32))
        torch.testing.assert_close(
            graph(torch.full((1, 1, 32, 32), 0.6 * 255)), logits[:, 1:] - logits[:, :1], rtol=1e-5, atol=1e-5
        )
