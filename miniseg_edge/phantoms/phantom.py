"""A phantom: a slice and the truth about it."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.errors import UsageError
from miniseg_edge.phantoms.anatomy import draw_body, draw_bones, draw_mediastinum, lungs_outline, random_chest
from miniseg_edge.phantoms.chance import Random
from miniseg_edge.phantoms.frame import random_frame
from miniseg_edge.phantoms.lungs import fill_lungs
from miniseg_edge.phantoms.scanner import scanned
from miniseg_edge.slices.preprocessing import ByteArray

MIN_SIDE = 32
"""Smallest height and width of a phantom; below it the lungs have no pixel left for a lesion."""


@dataclass(frozen=True)
class Phantom:
    """A slice and the truth about it.

    Attributes:
        name: "phantom-0007" for seed 7.
        image: (H, W) uint8, grey 0..255, air dark.
        mask: (H, W) uint8, 1 where there is a lesion, otherwise 0; all 0 in about one of eight.
    """

    name: str
    image: ByteArray
    mask: ByteArray


def phantoms(count: int, *, first_seed: int = 0, size: tuple[int, int] = (512, 512)) -> list[Phantom]:
    """Phantoms of the seeds `first_seed`, `first_seed` + 1, ...; see `phantom`."""
    return [phantom(seed, size) for seed in range(first_seed, first_seed + count)]


def phantom(seed: int, size: tuple[int, int] = (512, 512)) -> Phantom:
    """Draws one phantom; the same seed and size give the same bits, always and everywhere.

    Args:
        seed: 0 or more. It fixes the anatomy at every size; only the grain differs from size to size.
        size: (height, width) in pixels.

    Raises:
        UsageError: a negative seed, or a size below 32 x 32.
    """
    if seed < 0 or min(size) < MIN_SIDE:
        raise UsageError(
            "the phantom is invalid",
            expected=f"a seed from 0 and at least {MIN_SIDE} x {MIN_SIDE} pixels",
            got=f"{seed}, {size}",
        )
    form, grain = (Random(sequence) for sequence in np.random.SeedSequence(seed).spawn(2))
    frame = random_frame(form, size)
    chest = random_chest(form)
    hu = draw_body(form, frame, chest)
    lungs = lungs_outline(form, frame, chest)
    draw_mediastinum(form, hu, frame, chest)
    mask = fill_lungs(form, hu, frame, chest, lungs)
    draw_bones(form, hu, frame, chest)
    return Phantom(f"phantom-{seed:04d}", scanned(form, grain, hu, frame), mask)
