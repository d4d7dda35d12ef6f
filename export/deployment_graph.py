"""The deployment graph: the network as an application wants it, equal to the checkpoint's network."""

from torch import Tensor, nn

from miniseg_edge.preprocessing import GREY_MAX, Statistics
from miniseg_edge.training.checkpoint import Checkpoint
from miniseg_edge.training.network import MiniSeg


class DeploymentGraph(nn.Module):
    """Grey slice in, logit maps over background out; normalisation inside, training heads gone.

    With x the grey slice, m and s the statistics and f the network, the output is f_c(n) - f_0(n) for each class
    c > 0, where n = x / (255 s) - m / s stands in each input channel. Normalisation stays an operator of its own:
    folded into the first convolution it would also shift the zero padding at the borders.
    """

    def __init__(self, network: MiniSeg, statistics: Statistics) -> None:
        super().__init__()
        self.network = network
        self.in_channels = network.architecture.in_channels
        self.factor = 1.0 / (GREY_MAX * statistics.std)
        self.offset = -statistics.mean / statistics.std

    def forward(self, slice_: Tensor) -> Tensor:
        """(N, 1, H, W) float32 grey 0..255 -> (N, C - 1, H, W) float32 logits over background."""
        normalised = slice_ * self.factor + self.offset
        logits = self.network(normalised.expand(-1, self.in_channels, -1, -1))
        over_background: Tensor = logits[:, 1:] - logits[:, :1]
        return over_background


def graph_from_checkpoint(checkpoint: Checkpoint, statistics: Statistics) -> DeploymentGraph:
    """The deployment graph of a checkpoint, in eval mode."""
    network = MiniSeg(checkpoint.architecture, auxiliary=False)
    network.load_state_dict({key: checkpoint.state[key] for key in network.state_dict()})
    return DeploymentGraph(network, statistics).eval()
