"""Slices that every platform runs: golden ones, random networks, sizes that fill no vector; and what they give here."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_image
from miniseg_edge.native.binding import InstructionSet, Model
from miniseg_edge.phantoms import phantom
from tests.native.plans import case

NETWORKS = (
    Architecture((5, 20, 52, 24), (3, 1, 0, 2), (2, 0, 0, 1)),
    Architecture((3, 8, 12, 20), (1, 1, 2, 1), (1, 0, 1, 1), classes=3),
    Architecture((1, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0)),
)
SIZES = ((37, 71), (1, 1), (3, 130))
PHANTOM_SIZE = (64, 64)


@dataclass(frozen=True, eq=False)
class Slices:
    """(n, H, W) slices, and the plan that runs them."""

    plan: bytes
    pixels: npt.NDArray[np.uint8]


def golden(bundle: Bundle) -> Slices:
    """A bundle's own golden slices and plan."""
    (artifact,) = (one for one in bundle.manifest.artifacts if one.target == "native")
    pixels = np.stack([golden_image(bundle, one) for one in bundle.manifest.golden])
    return Slices(bundle.contents[artifact.files[0]], pixels)


def drawn() -> Iterator[Slices]:
    """A network of the published widths on phantoms, then narrow, wide and odd ones on noise."""
    phantoms = np.stack([phantom(seed, size=PHANTOM_SIZE).image for seed in range(3)])
    yield Slices(case(PRESETS["miniseg-83k"]).plan, phantoms)
    for network in NETWORKS:
        for size in SIZES:
            yield Slices(case(network).plan, np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8))


def words(cases: Sequence[Slices], folder: Path) -> list[str]:
    """As digest.c takes them: PLAN SLICES HEIGHT WIDTH for each."""
    found: list[str] = []
    for number, one in enumerate(cases):
        plan, slices = folder / f"{number}.plan", folder / f"{number}.slices"
        plan.write_bytes(one.plan)
        slices.write_bytes(one.pixels.tobytes())
        found += [str(plan), str(slices), *map(str, one.pixels.shape[1:])]
    return found


def digest(cases: Sequence[Slices], set_: InstructionSet = InstructionSet.BEST) -> str:
    """What the library in the package gives, as digest.c says it."""
    hashed = hashlib.sha256()
    for one in cases:
        with Model(one.plan, set_) as model, model.context(one.pixels.shape[1:], 1) as context:
            for slice_ in one.pixels:
                hashed.update(context.logits(slice_).tobytes())
    return hashed.hexdigest()
