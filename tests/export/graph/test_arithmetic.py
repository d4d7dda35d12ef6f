from dataclasses import replace

import pytest
import torch
from torch import nn

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.arithmetic import multiplications
from miniseg_edge.export.graph.deployment_graph import Feeding
from miniseg_edge.export.graph.forms import PACKED
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.slices.preprocessing import Statistics
from tests.conftest import random_network

FEEDING = Feeding(Statistics(0.6, 0.3))


def test_counts_each_weight_once_an_output_pixel() -> None:
    dense, depthwise = nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 5, 5, 1, 2, groups=5)
    assert multiplications(nn.Sequential(dense, depthwise), 3, (8, 12)) == 24 * (5 * 3 * 9 + 5 * 25)


def test_a_transposed_convolution_uses_each_weight_once_an_input_pixel() -> None:
    assert multiplications(nn.ConvTranspose2d(3, 2, 4, 2, 1), 3, (8, 12)) == 96 * 3 * 2 * 16


def test_zeros_are_no_work() -> None:
    conv = nn.Conv2d(2, 2, 1)
    with torch.no_grad():
        conv.weight[0] = 0
    assert multiplications(conv, 2, (4, 4)) == 16 * 2


def test_packing_adds_none() -> None:
    network = random_network(Architecture(), 1)
    plain = replace(PACKED, name="plain", packed=False)
    counts = [multiplications(rewritten(network, FEEDING, form, (64, 64)), 1, (64, 64)) for form in (PACKED, plain)]
    assert counts[0] == pytest.approx(counts[1], rel=0.01)  # the two entrances are one convolution there, and zeros go
