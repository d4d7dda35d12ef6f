"""Masks of a network during training, by the steps of the published evaluation and of the deployed bundle."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from miniseg_edge.parity.metrics import IGNORED_LABEL, Confusion, dice
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, Statistics, mask_from_logits, resized
from miniseg_edge.training.data.batches import as_input, channels_first
from miniseg_edge.training.data.samples import Sample, normalised
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork


def predicted_mask(
    network: SegmentationNetwork, image: ByteArray, statistics: Statistics, size: tuple[int, int]
) -> ByteArray:
    """A slice's mask in the slice's own size.

    Args:
        network: in eval mode, on any device.
        image: (H, W) uint8 grey, or (H, W, C); 0..255.
        statistics: of the network's training.
        size: (H, W) of the network's input; logit maps are resized back.

    Returns:
        (H, W) uint8, class per pixel.
    """
    device = next(network.parameters()).device
    values = channels_first(resized(normalised(image, statistics), size))
    with torch.inference_mode():
        logits = network(as_input(torch.from_numpy(np.ascontiguousarray(values))[None].to(device), network.in_channels))
    over_background: FloatArray = (logits[0, 1:] - logits[0, :1]).float().cpu().numpy()
    own = image.shape[:2]
    return mask_from_logits(np.stack([resized(one, (own[0], own[1])) for one in over_background]))


@dataclass(frozen=True)
class Scores:
    """Scores of a network on labelled slices.

    Attributes:
        mean_iou: mean over classes of the IoU over all pixels of all slices, 0..1.
        dice: of each slice's lesion by name, 0..1; 1 if both masks are empty.
    """

    mean_iou: float
    dice: dict[str, float]

    @property
    def dice_mean(self) -> float:
        """Mean over slices."""
        return float(np.mean(list(self.dice.values())))


def scores_of(
    network: SegmentationNetwork, samples: Iterable[Sample], statistics: Statistics, size: tuple[int, int]
) -> Scores:
    """Scores a network in eval mode on held-out slices; pixels labelled 255 are ignored."""
    confusion, dices = Confusion.empty(network.classes), {}
    for sample in samples:
        mask = predicted_mask(network, sample.image, statistics, size)
        judged = sample.label != IGNORED_LABEL
        confusion = confusion.plus(mask, sample.label)
        dices[sample.name] = dice(mask[judged], sample.label[judged])
    return Scores(confusion.mean_iou(), dices)
