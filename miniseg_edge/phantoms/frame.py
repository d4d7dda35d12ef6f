"""Where each pixel lies in the patient."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.phantoms.chance import Random
from miniseg_edge.phantoms.shapes import direction
from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True)
class Frame:
    """Where each pixel lies in the patient, `x` and `y` (H, W) float32, and the way back to pixels."""

    x: FloatArray
    y: FloatArray
    size: tuple[int, int]
    cos: float
    sin: float
    shift: tuple[float, float]
    pixel: float

    def around(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns that hold everything within `radius` of (x, y)."""
        column = (self.cos * x - self.sin * y + self.shift[0]) / self.pixel + self.size[1] / 2
        row = (self.sin * x + self.cos * y + self.shift[1]) / self.pixel + self.size[0] / 2
        reach = radius / self.pixel + 2
        return _span(row, reach, self.size[0]), _span(column, reach, self.size[1])


def _span(centre: float, reach: float, side: int) -> slice:
    return slice(min(max(int(centre - reach), 0), side), min(max(int(centre + reach + 1), 0), side))


def random_frame(random: Random, size: tuple[int, int]) -> Frame:
    """A patient who lies about in the middle, about straight."""
    pixel = 2.0 / min(size) / random.between(1.0, 1.22)
    cos, sin = direction(random.between(-0.035, 0.035))
    shift = (random.between(-0.05, 0.05), random.between(-0.06, 0.03))
    u = from_centre(size[1]) * np.float32(pixel) - np.float32(shift[0])
    v = from_centre(size[0]) * np.float32(pixel) - np.float32(shift[1])
    x = u[None, :] * np.float32(cos) + v[:, None] * np.float32(sin)
    y = v[:, None] * np.float32(cos) - u[None, :] * np.float32(sin)
    return Frame(x, y, size, cos, sin, shift, pixel)


def from_centre(side: int) -> FloatArray:
    """Distances of the pixels' centres from the image's, in pixels: (side,) float32."""
    return np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)
