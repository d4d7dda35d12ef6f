"""Shapes by their distance: negative inside, 0 on the outline."""

import math
from dataclasses import dataclass

import numpy as np

from miniseg_edge.slices.preprocessing import FloatArray


def direction(t: float) -> tuple[float, float]:
    """A point of the unit circle, rational in `t`: -1 is (0, -1), 0 is (1, 0), 1 is (0, 1)."""
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)


def unit(x: float, y: float) -> tuple[float, float]:
    """The vector at length 1; the zero vector stays."""
    length = math.sqrt(x * x + y * y) or 1.0
    return x / length, y / length


@dataclass(frozen=True)
class Ellipse:
    """Centre, half axes, and the direction of the first axis."""

    x: float
    y: float
    a: float
    b: float
    cos: float = 1.0
    sin: float = 0.0

    def norm(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """0 in the centre, 1 on the outline."""
        dx, dy = x - np.float32(self.x), y - np.float32(self.y)
        u = (dx * np.float32(self.cos) + dy * np.float32(self.sin)) / np.float32(self.a)
        v = (dy * np.float32(self.cos) - dx * np.float32(self.sin)) / np.float32(self.b)
        return np.sqrt(u * u + v * v)

    def distance(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Roughly the distance to the outline, negative inside."""
        return (self.norm(x, y) - np.float32(1)) * np.float32(min(self.a, self.b))

    def point(self, t: float, scale: float = 1.0) -> tuple[float, float]:
        """The outline's point in the direction `t` of `direction`, in the half-plane of the first axis."""
        u, v = direction(t)
        u, v = u * self.a * scale, v * self.b * scale
        return self.x + u * self.cos - v * self.sin, self.y + u * self.sin + v * self.cos


@dataclass(frozen=True)
class Capsule:
    """A thick line from (x0, y0) to (x1, y1)."""

    x0: float
    y0: float
    x1: float
    y1: float
    radius: float

    def distance(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Distance to the surface, negative inside."""
        dx, dy = self.x1 - self.x0, self.y1 - self.y0
        length2 = dx * dx + dy * dy or 1.0
        px, py = x - np.float32(self.x0), y - np.float32(self.y0)
        along = np.clip((px * np.float32(dx) + py * np.float32(dy)) / np.float32(length2), 0, 1)
        px, py = px - along * np.float32(dx), py - along * np.float32(dy)
        length: FloatArray = np.sqrt(px * px + py * py)
        return length - np.float32(self.radius)


def both(a: FloatArray, b: FloatArray, softness: float) -> FloatArray:
    """Union of two shapes given by their distances, with the crease rounded over `softness`."""
    overlap: FloatArray = np.maximum(np.float32(softness) - np.abs(a - b), 0)
    union: FloatArray = np.minimum(a, b)
    return union - overlap * overlap / np.float32(4 * softness)
