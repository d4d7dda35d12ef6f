"""Batches of an epoch: shuffled, resized, augmented, pass after pass."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.slices.preprocessing import FloatArray, Statistics, resized
from miniseg_edge.training.data.augmentation import augmented, resized_label
from miniseg_edge.training.data.samples import Sample, normalised


def epoch_batches(
    samples: Sequence[Sample], statistics: Statistics, recipe: Recipe, generator: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch: images (N, 1 or C, S, S) float32, normalised, and labels (N, S, S) int64.

    A last batch that would be smaller is dropped; the generator's state determines the batches.
    """
    for one in recipe.passes:
        side = recipe.side_px(one)
        order = generator.permutation(len(samples))
        for start in range(0, len(samples) - recipe.batch_size + 1, recipe.batch_size):
            batch = [
                augmented(
                    resized(normalised(samples[index].image, statistics), (side, side)),
                    resized_label(samples[index].label, (side, side)),
                    one.max_crop_px,
                    generator,
                )
                for index in order[start : start + recipe.batch_size]
            ]
            images = np.stack([channels_first(image) for image, _ in batch])
            labels = np.stack([label for _, label in batch]).astype(np.int64)
            yield torch.from_numpy(images), torch.from_numpy(labels)


def channels_first(image: FloatArray) -> FloatArray:
    """(H, W) -> (1, H, W), (H, W, C) -> (C, H, W)."""
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def as_input(images: Tensor, in_channels: int) -> Tensor:
    """(N, 1, H, W) grey -> (N, C, H, W), repeated for each channel of the network; C different channels are kept."""
    return images if images.shape[1] == in_channels else images.expand(-1, in_channels, -1, -1)
