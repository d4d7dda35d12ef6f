"""Lesions: ground glass and consolidation, as large patches along the pleura or small ones anywhere."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.phantoms.anatomy import Chest
from miniseg_edge.phantoms.chance import Random, fractal, noise
from miniseg_edge.phantoms.frame import Frame
from miniseg_edge.phantoms.painting import cover_of
from miniseg_edge.phantoms.shapes import Ellipse, unit
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

_HEALTHY = 1 / 8
_MAX_LESIONS = 5


@dataclass(frozen=True)
class _Lesion:
    """One patch: its ellipse before the outline is roughened, its density and its edge."""

    ellipse: Ellipse
    density_hu: float
    softness: float
    paving_hu: float


def draw_lesions(random: Random, tissue: FloatArray, frame: Frame, chest: Chest, outline: FloatArray) -> ByteArray:
    """Paints the lesions into the lung tissue in place; returns their mask (H, W) uint8 of 0 and 1."""
    mask = np.zeros(frame.size, dtype=np.uint8)
    roughness = np.clip(np.float32(0.33) * fractal(random, frame.size, 11, 4), -0.8, 0.8)
    texture = np.float32(0.97) + np.float32(0.2) * fractal(random, frame.size, 22, 4)
    paving = cover_of(np.abs(noise(random, frame.size, 64)) - np.float32(0.12), 0.3)
    lungs = outline < -0.003
    places = _places(frame, chest, outline < -max(0.012, 1.5 * frame.pixel))
    count = 0 if random.chance(_HEALTHY) else random.count(1, _MAX_LESIONS)
    for _ in range(count):
        lesion = _lesion(random, frame, chest, places)
        here = frame.around(lesion.ellipse.x, lesion.ellipse.y, 1.85 * lesion.ellipse.a)
        rough = lesion.ellipse.norm(frame.x[here], frame.y[here]) - 1 + roughness[here]
        cover = cover_of(rough, lesion.softness) * texture[here]
        density = np.float32(lesion.density_hu) + np.float32(lesion.paving_hu) * paving[here]
        patch = tissue[here] + cover * (density - tissue[here])
        np.maximum(tissue[here], patch, out=tissue[here])
        mask[here] |= (rough < 0) & lungs[here]
    return mask


def _places(frame: Frame, chest: Chest, lungs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(H, W) weight of each pixel as a lesion's centre, 0 outside `lungs`: near the ribs, rather at the back."""
    left, right = (lung.distance(frame.x, frame.y) for lung in chest.lungs)
    ribs = np.minimum(left, right) / np.float32(0.05)
    weight = np.float32(1) / (np.float32(1) + ribs * ribs) + np.float32(0.04)
    weight *= np.clip(np.float32(0.7) + frame.y, 0.2, 1.2)
    # Whole numbers, because only they add up to the same sum in every order.
    return np.where(lungs, weight * 10_000 + 1, 0).astype(np.int64)


def _drawn(random: Random, weights: npt.NDArray[np.int64]) -> int:
    """An index, by weight."""
    total = np.cumsum(weights)
    return int(np.searchsorted(total, int(total[-1] * random.between(0.0, 1.0)), side="right"))


def _lesion(random: Random, frame: Frame, chest: Chest, places: npt.NDArray[np.int64]) -> _Lesion:
    """A patch of ground glass or, one in five, a dense consolidation; large ones lie along the pleura."""
    # First the row, then the column: pixel by pixel, a finer grid would move the lesion sideways.
    row = _drawn(random, places.sum(axis=1))
    column = _drawn(random, places[row])
    x, y = float(frame.x[row, column]), float(frame.y[row, column])
    lung = chest.lungs[0] if x < chest.heart.x else chest.lungs[1]
    u, v = unit((x - lung.x) / (lung.a * lung.a), (y - lung.y) / (lung.b * lung.b))
    wide = random.between(0.0, 1.0)
    radius = 0.02 + 0.27 * wide * wide
    slim = random.between(0.45, 0.95)
    ellipse = Ellipse(x, y, radius, radius * slim, -v, u)
    softness = max(random.between(0.3, 0.7), 2.0 * frame.pixel / (radius * slim))
    if random.chance(0.2):
        return _Lesion(ellipse, random.between(-280.0, -60.0), softness, 0.0)
    paving = random.between(80.0, 200.0) if random.chance(0.4) else 0.0
    return _Lesion(ellipse, random.between(-640.0, -400.0), softness, paving)
