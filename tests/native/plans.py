"""Random networks as plans, and what torch says of them in float64."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, Feeding
from miniseg_edge.export.graph.plan_from_graph import plan_from_graph
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.tensors import HU, GraphInterface
from tests.conftest import STATISTICS, random_network

SMALL = Architecture(channels=(3, 8, 12, 20), depths=(1, 1, 2, 1), long_depths=(1, 0, 1, 1))
WINDOW = Window(-1250.0, 250.0)


@dataclass(frozen=True, eq=False)
class Case:
    """A network, fed as said, and its plan."""

    graph: DeploymentGraph
    plan: bytes

    def expected(self, slice_: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Logits of (H, W) or (channels, H, W) in float64: (classes - 1, H, W)."""
        planes = slice_[np.newaxis] if slice_.ndim == 2 else slice_
        with torch.no_grad():
            found = self.graph.double()(torch.from_numpy(planes.astype(np.float64))[None])[0]
        logits: npt.NDArray[np.float64] = found.numpy()
        return logits


def case(architecture: Architecture = SMALL, seed: int = 0, *, channels: int = 1, hu: bool = False) -> Case:
    """A random network of an architecture."""
    interface = GraphInterface(values=HU, channels=channels) if hu else GraphInterface(channels=channels)
    feeding = Feeding(STATISTICS, interface, WINDOW if hu else None)
    graph = DeploymentGraph(random_network(architecture, seed), feeding).eval()
    return Case(graph, plan_from_graph(graph).data)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Narrow, wide, shallow and deep ones, whose channels fill no vector."""
    quarters = [draw(st.integers(1, 6)) for _ in range(3)]
    depths = [draw(st.integers(0, 3)) for _ in range(4)]
    longs = [draw(st.integers(0, depth)) for depth in depths]
    return Architecture(
        channels=(draw(st.integers(1, 18)), *(4 * n for n in quarters)),  # type: ignore[arg-type]
        depths=tuple(depths),  # type: ignore[arg-type]
        long_depths=tuple(longs),  # type: ignore[arg-type]
        classes=draw(st.integers(2, 5)),
        in_channels=draw(st.integers(1, 4)),
    )


SIZES = st.tuples(st.integers(1, 90), st.integers(1, 140))
EXACT = 2e-6
"""Times the largest logit, or 1: what rounding to float32 leaves of float64."""


def assert_near(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float64]) -> None:
    """Equal but for rounding."""
    assert found.shape == expected.shape
    assert float(np.abs(found - expected).max()) <= EXACT * max(1.0, float(np.abs(expected).max()))
