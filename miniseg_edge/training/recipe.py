"""The training recipe of the paper (Qiu et al., AAAI 2021), with its figures as defaults.

An epoch is several passes over the training slices, each at a scale of its own, so that the network sees
lesions of many sizes; the learning rate falls with every iteration.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from miniseg_edge.errors import InputError, NumericError, UsageError
from miniseg_edge.preprocessing import GREY_MAX, ByteArray, FloatArray, Statistics, resized
from miniseg_edge.training.augmentation import augmented, resized_label
from miniseg_edge.training.losses import class_weights, segmentation_loss
from miniseg_edge.training.network import MiniSeg


@dataclass(frozen=True)
class Pass:
    """One round through the training slices.

    Attributes:
        scale: of the recipe's size.
        max_crop_px: the most that augmentation crops from each side, in pixels at this scale.
    """

    scale: float
    max_crop_px: int


@dataclass(frozen=True)
class Recipe:
    """Figures of a training; the defaults are the published ones.

    Attributes:
        size: side of the square input at scale 1, in pixels.
        passes: of one epoch, in order.
        epochs: how many.
        batch_size: slices per iteration; a last batch that would be smaller is dropped.
        learning_rate: of the first iteration.
        decay_power: of the poly decay, see `learning_rate_at`.
        weight_decay: L2, as Adam has it.
        auxiliary_weight: of each auxiliary head's loss.
    """

    size: int = 512
    passes: tuple[Pass, ...] = (Pass(1.5, 50), Pass(1.25, 50), Pass(0.75, 16), Pass(1.0, 16))
    epochs: int = 80
    batch_size: int = 5
    learning_rate: float = 1e-3
    decay_power: float = 0.9
    weight_decay: float = 1e-4
    auxiliary_weight: float = 0.4

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, len(self.passes)) < 1:
            raise UsageError("nothing to train", "at least one epoch, one pass and one slice a batch", str(self))
        for one in self.passes:
            if one.max_crop_px < 0 or 2 * one.max_crop_px >= self.side_px(one):
                raise UsageError("a pass crops everything", "less than half a side from each side", str(one))

    def side_px(self, one: Pass) -> int:
        """Side of a pass's square input."""
        return round(self.size * one.scale)

    def iterations(self, slices: int) -> int:
        """Of the whole training, over so many slices."""
        return self.epochs * len(self.passes) * (slices // self.batch_size)

    def learning_rate_at(self, iteration: int, iterations: int) -> float:
        """Poly decay: `learning_rate` x (1 - iteration / iterations) ^ `decay_power`, iterations from 0."""
        return float(self.learning_rate * (1.0 - iteration / iterations) ** self.decay_power)


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        loss: mean over its iterations.
        learning_rate: of its last iteration.
    """

    number: int
    loss: float
    learning_rate: float


def training_statistics(slices: Sequence[ByteArray]) -> Statistics:
    """Averages over the slices of each one's mean and of each one's standard deviation, on the 0..1 scale.

    Args:
        slices: (H, W) uint8 each; 0..255.

    Raises:
        InputError: no slices.
        StatisticsError: they are all constant.
    """
    if not slices:
        raise InputError("there are no training slices", "at least one", "none")
    means = [float(np.mean(slice_, dtype=np.float64)) for slice_ in slices]
    deviations = [float(np.std(slice_, dtype=np.float64)) for slice_ in slices]
    return Statistics(float(np.mean(means)) / GREY_MAX, float(np.mean(deviations)) / GREY_MAX)


def normalised(slice_: ByteArray, statistics: Statistics) -> FloatArray:
    """(H, W) uint8 grey -> (H, W) float32: on the 0..1 scale, less the mean, over the deviation."""
    grey = slice_.astype(np.float32) / np.float32(GREY_MAX)
    return (grey - np.float32(statistics.mean)) / np.float32(statistics.std)


def train(
    network: MiniSeg,
    slices: Sequence[ByteArray],
    labels: Sequence[ByteArray],
    statistics: Statistics,
    recipe: Recipe,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> tuple[Epoch, ...]:
    """Trains the network in place, on the device where it lies, and leaves it in eval mode.

    On a CPU the same arguments and the same initial weights give the same weights, bit for bit, with the same
    number of threads. The global random state of torch is left as it was.

    Args:
        network: with auxiliary heads.
        slices: (H, W) uint8 each; 0..255, any sizes.
        labels: (H, W) uint8 each, of its slice's size; 0..classes - 1, or 255 for pixels to ignore.
        statistics: see `training_statistics`.
        recipe: the figures.
        seed: of order, augmentation and dropout.
        on_epoch: called after each epoch.

    Raises:
        UsageError: a network without auxiliary heads, or fewer slices than one batch.
        InputError: a slice without its label, or a label that is no class.
        NumericError: the loss is not finite; the parameters are left as they were before that iteration.
    """
    _check(network, slices, labels, recipe)
    device = next(network.parameters()).device
    weights = class_weights(labels, network.architecture.classes).to(device)
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    generator = np.random.default_rng(seed)
    iterations, iteration = recipe.iterations(len(slices)), 0
    epochs: list[Epoch] = []
    network.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for number in range(1, recipe.epochs + 1):
            losses: list[float] = []
            for images, targets in _epoch_batches(slices, labels, statistics, recipe, generator):
                rate = recipe.learning_rate_at(iteration, iterations)
                logits = network.forward_all(_as_input(images.to(device), network))
                loss = segmentation_loss(logits, targets.to(device), weights, recipe.auxiliary_weight)
                losses.append(_step(optimizer, loss, rate))
                iteration += 1
            epochs.append(Epoch(number, float(np.mean(losses)), rate))
            if on_epoch is not None:
                on_epoch(epochs[-1])
    network.eval()
    return tuple(epochs)


def _check(network: MiniSeg, slices: Sequence[ByteArray], labels: Sequence[ByteArray], recipe: Recipe) -> None:
    if not network.auxiliary:
        raise UsageError("the network cannot be trained", "one with auxiliary heads", "one without")
    if len(slices) < recipe.batch_size:
        raise UsageError("there are too few slices", f"at least one batch of {recipe.batch_size}", str(len(slices)))
    if [slice_.shape for slice_ in slices] != [label.shape for label in labels]:
        raise InputError("slices and labels do not match", "a label of its size for each slice")


def _epoch_batches(
    slices: Sequence[ByteArray],
    labels: Sequence[ByteArray],
    statistics: Statistics,
    recipe: Recipe,
    generator: np.random.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch, pass after pass: normalised (N, 1, S, S) float32, and labels (N, S, S) int64."""
    for one in recipe.passes:
        side = recipe.side_px(one)
        order = generator.permutation(len(slices))
        for start in range(0, len(slices) - recipe.batch_size + 1, recipe.batch_size):
            batch = [
                augmented(
                    resized(normalised(slices[index], statistics), (side, side)),
                    resized_label(labels[index], (side, side)),
                    one.max_crop_px,
                    generator,
                )
                for index in order[start : start + recipe.batch_size]
            ]
            images = np.stack([image for image, _ in batch])[:, None]
            targets = np.stack([label for _, label in batch]).astype(np.int64)
            yield torch.from_numpy(images), torch.from_numpy(targets)


def _as_input(images: Tensor, network: MiniSeg) -> Tensor:
    """(N, 1, H, W) grey -> (N, C, H, W), as many equal channels as the network has."""
    return images.expand(-1, network.architecture.in_channels, -1, -1)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, learning_rate: float) -> float:
    """One iteration; returns the loss as a number."""
    value = float(loss.detach())
    if not np.isfinite(value):
        raise NumericError("the training loss is not finite", "a number", str(value), "Lower the learning rate.")
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value
