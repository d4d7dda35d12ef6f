"""The training loop: epoch by epoch, starting at any epoch."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.errors import InputError, NumericError, UsageError
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.data.batches import as_input, epoch_batches
from miniseg_edge.training.data.samples import Sample
from miniseg_edge.training.losses import class_weights, segmentation_loss
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork

OnIteration = Callable[[int, int], None]
"""Called with (iterations done, iterations of the epoch)."""


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch.

    Attributes:
        number: from 1.
        loss: mean over its iterations.
        learning_rate: of its last iteration.
    """

    number: int
    loss: float
    learning_rate: float


class Trainer:
    """One training of one network, in place, on its device; in mixed precision on CUDA.

    Each epoch has its own random state from the seed and the epoch's number, so a training that is stopped between two
    epochs resumes as if it had not been. On a CPU the same arguments, initial weights and number of threads give the
    same weights, bit for bit. The global random state of torch is preserved. Not for several threads.

    Args:
        network: with auxiliary heads, if it supports any.
        samples: any sizes.
        statistics: see `training_statistics`.
        recipe: the figures.
        seed: of order, augmentation and dropout.

    Attributes:
        network: in eval mode between epochs.
        epochs: those done.

    Raises:
        UsageError: a MiniSeg without auxiliary heads, or fewer slices than one batch.
        InputError: channels that are not the network's, or a label that is not a class.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        samples: Sequence[Sample],
        statistics: Statistics,
        recipe: Recipe,
        *,
        seed: int,
    ) -> None:
        _check(network, samples, recipe)
        self.epochs: tuple[Epoch, ...] = ()
        self._samples, self._statistics, self._recipe, self._seed = samples, statistics, recipe, seed
        self._device = next(network.parameters()).device
        on_cuda = self._device.type == "cuda"
        self._weights = class_weights((sample.label for sample in samples), network.classes).to(self._device)
        # Depthwise convolutions train twice as fast in channels-last layout, on CPUs and on tensor cores.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=on_cuda)
        self._autocast = torch.autocast(self._device.type, torch.float16 if on_cuda else torch.bfloat16, on_cuda)
        network.eval()

    @property
    def done(self) -> bool:
        """Whether all epochs are done."""
        return len(self.epochs) >= self._recipe.epochs

    def run_epoch(self, on_iteration: OnIteration | None = None) -> Epoch:
        """Trains the next epoch.

        Raises:
            NumericError: the loss is not finite; the parameters keep their values from before that iteration.
        """
        number, steps = len(self.epochs) + 1, self._recipe.epoch_iterations(len(self._samples))
        sequence = np.random.SeedSequence((self._seed, number))
        batches = epoch_batches(self._samples, self._statistics, self._recipe, np.random.default_rng(sequence))
        losses: list[float] = []
        self.network.train()
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(int(sequence.generate_state(1)[0]))
            for images, labels in batches:
                done = (number - 1) * steps + len(losses)
                rate = self._recipe.learning_rate_at(done, self._recipe.epochs * steps)
                losses.append(self._step(images, labels, rate))
                if on_iteration is not None:
                    on_iteration(len(losses), steps)
        self.network.eval()
        self.epochs = (*self.epochs, Epoch(number, float(np.mean(losses)), rate))
        return self.epochs[-1]

    def state(self) -> dict[str, Any]:
        """What `restore` needs: tensors, numbers, strings, and dicts and lists of them."""
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "network": _on_cpu(self.network.state_dict()),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores `state`, in a training with the same arguments."""
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.epochs = tuple(Epoch(**epoch) for epoch in state["epochs"])

    def _step(self, images: Tensor, labels: Tensor, learning_rate: float) -> float:
        """One iteration; returns the loss."""
        inputs = as_input(images.to(self._device), self.network.in_channels)
        with self._autocast:
            heads = self.network.forward_all(inputs.contiguous(memory_format=torch.channels_last))
            loss = segmentation_loss(heads, labels.to(self._device), self._weights, self._recipe.auxiliary_weight)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise NumericError(
                "the training loss is not finite",
                expected="a number",
                got=str(value),
                remedy="Lower the learning rate.",
            )
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return value


def _check(network: SegmentationNetwork, samples: Sequence[Sample], recipe: Recipe) -> None:
    if not getattr(network, "auxiliary", True):
        raise UsageError("the network cannot be trained", expected="one with auxiliary heads", got="one without")
    if len(samples) < recipe.batch_size:
        raise UsageError(
            "there are too few slices", expected=f"at least one batch of {recipe.batch_size}", got=str(len(samples))
        )
    for sample in samples:
        if sample.image.shape[2:] not in ((), (network.in_channels,)):
            expected = f"(H, W), or (H, W, {network.in_channels})"
            raise InputError(
                f"{sample.name} has an unexpected number of channels", expected=expected, got=str(sample.image.shape)
            )


def _on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
