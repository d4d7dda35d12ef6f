"""Random numbers and smooth noise, from exact arithmetic only."""

import math
from functools import reduce

import numpy as np

from miniseg_edge.slices.preprocessing import FloatArray


class Random:
    """Random numbers from exact arithmetic only."""

    def __init__(self, sequence: np.random.SeedSequence) -> None:
        self._generator = np.random.Generator(np.random.PCG64(sequence))

    def between(self, low: float, high: float) -> float:
        """Uniform."""
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.between(0.0, 1.0) < probability

    def count(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + int(self.between(0.0, high - low + 1.0))

    def grid(self, shape: tuple[int, int]) -> FloatArray:
        """(H, W) float32, uniform in -1..1."""
        return self._generator.random(shape, dtype=np.float32) * np.float32(2.0) - np.float32(1.0)


def noise(random: Random, size: tuple[int, int], cells: int) -> FloatArray:
    """Smooth noise (H, W) of mean 0 and deviation about 1: a random lattice under a cubic B-spline.

    `cells` lattice cells span the longer side, so that the features are as large at every image size.
    """
    lattice = random.grid((cells + 3, cells + 3))
    for axis, side in enumerate(size):
        position = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / max(size))
        index = position.astype(np.int64)
        weights = _spline_weights(position - index.astype(np.float32))
        taps = (lattice.take(index + k, axis) * np.expand_dims(w, 1 - axis) for k, w in enumerate(weights))
        lattice = reduce(np.add, taps)
    return lattice * np.float32(3.6)  # the spline leaves 0.48 of the variance per axis, of 1/3


def _spline_weights(t: FloatArray) -> tuple[FloatArray, ...]:
    """Weights of the four lattice points around `t` in 0..1: the uniform cubic B-spline."""
    s = np.float32(1) - t
    return _far(s), _near(t), _near(s), _far(t)


def _far(t: FloatArray) -> FloatArray:
    return t * t * t / np.float32(6)


def _near(t: FloatArray) -> FloatArray:
    return t * t * (t / np.float32(2) - np.float32(1)) + np.float32(2 / 3)


def fractal(random: Random, size: tuple[int, int], cells: int, octaves: int) -> FloatArray:
    """Noise on several scales, each twice as fine and 0.6 times as strong as the last; deviation about 1."""
    total = noise(random, size, cells)
    variance, strength = 1.0, 1.0
    for octave in range(1, octaves):
        strength *= 0.6
        variance += strength * strength
        total += np.float32(strength) * noise(random, size, cells << octave)
    return total / np.float32(math.sqrt(variance))
