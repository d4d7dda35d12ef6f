"""The deployment graph without rewrites, for networks whose structure the rewrites do not know.

f(x) as defined by `DeploymentGraph`, then its mask if the mask is requested
"""

from torch import Tensor, nn

from miniseg_edge.export.graph.deployment_graph import DeploymentGraph
from miniseg_edge.export.graph.rewrites.mask import Mask
from miniseg_edge.tensors import MASK


class AsTrained(nn.Module):
    """Raw values in, logit maps over background or masks out, through the network's own operators."""

    def __init__(self, graph: DeploymentGraph) -> None:
        super().__init__()
        self.deployed = graph  # torch.export keeps the name "graph" for itself
        self.mask = Mask() if graph.feeding.interface.result == MASK else None

    def forward(self, slice_: Tensor) -> Tensor:
        """(N, channels, H, W) grey 0..255 or HU -> (N, C - 1, H, W) logits over background, or (N, 1, H, W) classes."""
        logits: Tensor = self.deployed(slice_)
        return logits if self.mask is None else self.mask(logits)
