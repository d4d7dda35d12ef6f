"""The start of a training: a new network, or one with a checkpoint's weights."""

from dataclasses import dataclass, replace

import torch

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.bundle.training_record import InitialWeights
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.training.checkpoint import Checkpoint, check_storable, checkpoint_from_file
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.registry import build_network, stored
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork
from miniseg_edge.training.networks.sizes import size_refusal
from miniseg_edge.training.request import TrainingRequest


@dataclass(frozen=True)
class Start:
    """What each fold's training starts from.

    Attributes:
        name: of the network.
        classes: of the labels.
        seed: of what is drawn.
        device: where to train.
        from_hu: whether the slices were HU.
        checkpoint: the initial weights, or None.
    """

    name: str
    classes: int
    seed: int
    device: torch.device
    from_hu: bool
    checkpoint: Checkpoint | None

    @property
    def initial(self) -> InitialWeights | None:
        """The checkpoint, for the record."""
        return None if self.checkpoint is None else InitialWeights(self.checkpoint.name, self.checkpoint.sha256)

    def network(self) -> SegmentationNetwork:
        """A new network for each fold, always the same, on the device; torch's random state is preserved."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.drawn()
        if self.checkpoint is not None:
            module = stored(network)
            state = module.state_dict()
            fitting = {k: v for k, v in self.checkpoint.state.items() if k in state and state[k].shape == v.shape}
            module.load_state_dict({**state, **fitting})
        return network.to(self.device)

    def drawn(self) -> SegmentationNetwork:
        """The network with random weights, on the CPU."""
        if self.checkpoint is None:
            return build_network(self.name, classes=self.classes)
        if self.checkpoint.architecture is not None:
            return MiniSeg(replace(self.checkpoint.architecture, classes=self.classes))
        return build_network(self.name, self.checkpoint.identity.in_channels, self.classes)


def start_of(request: TrainingRequest, device: torch.device, *, from_hu: bool) -> Start:
    """Checks the requested start of a training.

    Raises:
        CheckpointError and its subclasses: the initial checkpoint cannot be used.
        UsageError: the network is unknown or too large, or does not accept the size of a pass.
        MissingDependencyError: it needs a package that is not installed.
    """
    classes = request.mapping.classes
    if request.initial is None:
        _check_network(build_network(request.network, classes=classes), request.recipe)
        return Start(request.network, classes, request.seed, device, from_hu, None)
    checkpoint = checkpoint_from_file(request.initial)
    if checkpoint.identity.classes != classes:
        was = checkpoint.identity.classes
        terminal.warn(f"{checkpoint.name} has {was} classes, the labels {classes}: its heads are initialised again")
    elif checkpoint.architecture is not None and not checkpoint.auxiliary:
        terminal.say(f"{checkpoint.name} has no auxiliary heads: they are initialised randomly")
    start = Start(checkpoint.identity.name, classes, request.seed, device, from_hu, checkpoint)
    _check_network(start.drawn(), request.recipe)
    return start


def _check_network(network: SegmentationNetwork, recipe: Recipe) -> None:
    """Refuses settings that would waste hours of training. MiniSeg is small and accepts every size."""
    if isinstance(network, MiniSeg):
        return
    check_storable(network)
    scales = {recipe.side_px(one): one.scale for one in recipe.passes} | {recipe.size: 1.0}
    for side, scale in sorted(scales.items()):
        if (refusal := size_refusal(network, (side, side))) is not None:
            got, hint = f"--size {recipe.size} at scale {scale:g}", f"The network says: {refusal.obstacle}"
            wanted = "a network that segments"
            if (taken := refusal.instead) is not None:
                wanted = f"sides that are multiples of {taken.multiple}, such as {taken.height}"
            raise UsageError(
                f"the network does not take slices of {side} x {side}", expected=wanted, got=got, remedy=hint
            )
