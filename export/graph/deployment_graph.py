"""The deployment graph: the network with an application's inputs and outputs, equal to the checkpoint's network."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from miniseg_edge.slices.preprocessing import GREY_MAX, Statistics, Window
from miniseg_edge.tensors import HU, GraphInterface
from miniseg_edge.training.checkpoint import Checkpoint
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.registry import RegisteredNetwork


@dataclass(frozen=True)
class Feeding:
    """What surrounds the network in its graph.

    Attributes:
        statistics: the normalisation.
        interface: its inputs and outputs.
        window: the HU window, for graphs that take HU.
    """

    statistics: Statistics
    interface: GraphInterface = field(default_factory=GraphInterface)
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.interface.values == HU and self.window is None:
            raise ValueError("a graph that takes HU needs a window")


class DeploymentGraph(nn.Module):
    """Raw values in, logit maps over background out; normalisation included, training heads removed.

    With x the slice, m and s the statistics and f the network, the output is f_c(n) - f_0(n) for each class c > 0,
    where n = x / (255 s) - m / s; a grey slice is repeated for each input channel. HU are windowed first. Normalisation
    remains a separate operator: folded into the first convolution it would also shift the zero padding at the borders.
    This class defines the function; `rewrites` implements it.
    """

    def __init__(self, network: MiniSeg | RegisteredNetwork, feeding: Feeding) -> None:
        super().__init__()
        self.network = network
        self.feeding = feeding

    def forward(self, slice_: Tensor) -> Tensor:
        """(N, channels, H, W) float32 grey 0..255 or HU -> (N, C - 1, H, W) float32 logits over background."""
        statistics, window = self.feeding.statistics, self.feeding.window
        if window is not None and self.feeding.interface.values == HU:
            slice_ = ((slice_ - window.low_hu) / (window.high_hu - window.low_hu)).clamp(0, 1) * GREY_MAX
        normalised = slice_ * (1.0 / (GREY_MAX * statistics.std)) - statistics.mean / statistics.std
        if self.feeding.interface.channels == 1:
            normalised = normalised.expand(-1, self.network.in_channels, -1, -1)
        logits = self.network(normalised)
        over_background: Tensor = logits[:, 1:] - logits[:, :1]
        return over_background


def graph_from_checkpoint(checkpoint: Checkpoint, feeding: Feeding) -> DeploymentGraph:
    """The deployment graph of a checkpoint, in eval mode."""
    return DeploymentGraph(_deployed_network(checkpoint), feeding).eval()


def _deployed_network(checkpoint: Checkpoint) -> MiniSeg | RegisteredNetwork:
    """A MiniSeg without its training heads; any other network unchanged."""
    if checkpoint.architecture is None:
        return checkpoint.network()
    network = MiniSeg(checkpoint.architecture, auxiliary=False)
    network.load_state_dict({key: checkpoint.state[key] for key in network.state_dict()})
    return network
