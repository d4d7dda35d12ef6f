"""Where a training starts: a new network, or one with a checkpoint's weights."""

from dataclasses import dataclass, replace

import torch

from miniseg_edge import terminal
from miniseg_edge.architecture import PRESETS, preset_name
from miniseg_edge.errors import UsageError
from miniseg_edge.training.checkpoint import Checkpoint, checkpoint_from_file
from miniseg_edge.training.network import MiniSeg
from miniseg_edge.training.networks import SegmentationNetwork
from miniseg_edge.training.request import TrainingRequest
from miniseg_edge.training_record import InitialWeights


@dataclass(frozen=True)
class Start:
    """What each fold's training starts from.

    Attributes:
        name: of the network.
        classes: of the labels.
        seed: of what is drawn.
        device: where to train.
        from_hu: whether the slices came in HU.
        checkpoint: whose weights to take, or None.
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
        """A network of its own for each fold, always the same, on the device; torch's random state stays."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self._drawn()
        if self.checkpoint is not None:
            state = network.state_dict()
            fitting = {k: v for k, v in self.checkpoint.state.items() if k in state and state[k].shape == v.shape}
            network.load_state_dict({**state, **fitting})
        return network.to(self.device)

    def _drawn(self) -> SegmentationNetwork:
        architecture = PRESETS[self.name] if self.checkpoint is None else self.checkpoint.architecture
        return MiniSeg(replace(architecture, classes=self.classes))


def start_of(request: TrainingRequest, device: torch.device, *, from_hu: bool) -> Start:
    """Checks what a request wants to start from.

    Raises:
        CheckpointError and its kin: the initial checkpoint cannot be used.
        UsageError: no such preset.
    """
    classes = request.mapping.classes
    if request.initial is None:
        if request.network not in PRESETS:
            raise UsageError("no such network", ", ".join(PRESETS), request.network)
        return Start(request.network, classes, request.seed, device, from_hu, None)
    checkpoint = checkpoint_from_file(request.initial)
    if checkpoint.architecture.classes != classes:
        was = checkpoint.architecture.classes
        terminal.warn(f"{checkpoint.name} has {was} classes, the labels {classes}: its heads are drawn anew")
    elif not checkpoint.auxiliary:
        terminal.say(f"{checkpoint.name} has no auxiliary heads: they are drawn anew")
    name = preset_name(checkpoint.architecture)
    return Start(name, classes, request.seed, device, from_hu, checkpoint)
