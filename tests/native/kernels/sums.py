"""Sums in float64 with a bound for what float32 may make of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.native.kernels.table import Floats

HALF_ULP = 2.0**-24
SMALLEST = 2.0**-126

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sum:
    """A value, the sum of its terms' magnitudes, and how many roundings float32 makes on the way."""

    value: Doubles
    mass: Doubles
    roundings: int

    def plus(self, other: Floats, sign: float = 1.0) -> "Sum":
        more = np.asarray(other, np.float64)
        return Sum(self.value + sign * more, self.mass + np.abs(more), self.roundings + 1)

    def activated(self, slopes: Floats) -> "Sum":
        """PReLU; slopes (channels,) for values (channels, ...)."""
        slope = np.asarray(slopes, np.float64).reshape(-1, *(1,) * (self.value.ndim - 1))
        value = np.where(self.value > 0, self.value, slope * self.value)
        return Sum(value, self.mass * np.maximum(1, np.abs(slope)), self.roundings + 1)

    def check(self, found: Floats) -> None:
        """Each value lies within the bound."""
        assert found.shape == self.value.shape
        bound = 1.01 * self.roundings * HALF_ULP * self.mass + SMALLEST
        over = ~(np.abs(found - self.value) <= bound)  # NaN is over
        assert not over.any(), f"at {np.argwhere(over)[:5].tolist()}: {found[over][:5]}, not {self.value[over][:5]}"


def weighted(equation: str, weights: Floats, taps: Doubles, start: Doubles, roundings: int) -> Sum:
    """start + an einsum of weights and taps."""
    value = np.einsum(equation, np.asarray(weights, np.float64), taps)
    mass = np.einsum(equation, np.abs(np.asarray(weights, np.float64)), np.abs(taps))
    return Sum(start + value, np.abs(start) + mass, roundings)


def shifted(values: Floats, distance: int, stride: int, width: int) -> Doubles:
    """(..., width): the value `distance` from column `stride` x, 0 outside."""
    columns = stride * np.arange(width) + distance
    inside = (columns >= 0) & (columns < values.shape[-1])
    found = np.asarray(values, np.float64)[..., np.clip(columns, 0, values.shape[-1] - 1)]
    return np.where(inside, found, 0.0)


def neighbourhood(rows: Floats, kernel: int, stride: int, width: int) -> Doubles:
    """(kernel, channels, columns) rows -> (kernel, kernel, channels, width): rows, then columns of a kernel's taps."""
    distances = range(-(kernel // 2), kernel // 2 + 1)
    return np.stack([shifted(rows, distance, stride, width) for distance in distances], axis=1)
