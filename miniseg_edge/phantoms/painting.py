"""Painting shapes into Hounsfield units."""

import numpy as np

from miniseg_edge.phantoms.frame import Frame
from miniseg_edge.phantoms.shapes import Capsule, Ellipse
from miniseg_edge.slices.preprocessing import FloatArray

AIR_HU, FAT_HU, MUSCLE_HU, BONE_HU = -1000.0, -105.0, 45.0, 600.0


def cover_of(distance: FloatArray, softness: float) -> FloatArray:
    """1 inside, 0 outside, 1/2 on the outline, over an edge as wide as `softness`."""
    t: FloatArray = np.clip(np.float32(0.5) - distance / np.float32(softness), 0, 1)
    return t * t * (np.float32(3) - np.float32(2) * t)


def paint(hu: FloatArray, cover: FloatArray, value: float | FloatArray) -> None:
    """Mixes `value` into `hu` in place."""
    hu += cover * (value - hu)


def stamp(hu: FloatArray, frame: Frame, shape: Ellipse | Capsule, value: float, softness: float = 0.0) -> None:
    """Paints a small shape in place, in its own neighbourhood only."""
    rows, columns = neighbourhood(frame, shape)
    distance = shape.distance(frame.x[rows, columns], frame.y[rows, columns])
    paint(hu[rows, columns], cover_of(distance, max(softness, 1.5 * frame.pixel)), value)


def neighbourhood(frame: Frame, shape: Ellipse | Capsule) -> tuple[slice, slice]:
    """Rows and columns that hold the whole shape, with its soft edge."""
    if isinstance(shape, Ellipse):
        return frame.around(shape.x, shape.y, 1.3 * max(shape.a, shape.b))
    reach = (abs(shape.x1 - shape.x0) + abs(shape.y1 - shape.y0)) / 2 + 1.3 * shape.radius
    return frame.around((shape.x0 + shape.x1) / 2, (shape.y0 + shape.y1) / 2, reach)
