"""Turns stored slices to lie like the network's training slices: columns to the left, rows to the back.

Scanners store prone or feet-first patients, and some reconstructions, rotated or mirrored. The network has seen none of
that, so slices are turned before it and masks are turned back after it. Only whole quarter turns and mirror images
occur: no pixel is interpolated.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Turn:
    """A transposition, then mirror images.

    Attributes:
        transposed: rows and columns change places.
        rows_reversed, columns_reversed: whether the rows or columns are then reversed.
    """

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether the turn changes handedness, so that the slices' normal flips."""
        return (self.transposed + self.rows_reversed + self.columns_reversed) % 2 == 1

    def upright(self, stored: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """Slices as stored, (..., H, W) -> as the network sees them; a view."""
        turned = np.swapaxes(stored, -1, -2) if self.transposed else stored
        return turned[..., :: _step(self.rows_reversed), :: _step(self.columns_reversed)]

    def stored(self, upright: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """The inverse, for slices (..., H, W) in any order; a view."""
        turned = upright[..., :: _step(self.rows_reversed), :: _step(self.columns_reversed)]
        return np.swapaxes(turned, -1, -2) if self.transposed else turned

    def stored_stack(self, upright: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """A volume (D, H, W) as stored, its slices ordered along the stored slices' normal; a view."""
        return self.stored(upright[:: _step(self.mirrored)])


UPRIGHT = Turn()
"""The identity."""


def turn_of(row_direction: tuple[float, float, float], column_direction: tuple[float, float, float]) -> Turn:
    """The turn after which the column index grows to the left, and the row index to the back, as closely as possible.

    Args:
        row_direction, column_direction: unit vectors in which the stored column and row indices grow.
    """
    transposed = abs(row_direction[0]) + abs(column_direction[1]) < abs(row_direction[1]) + abs(column_direction[0])
    row, column = (column_direction, row_direction) if transposed else (row_direction, column_direction)
    return Turn(transposed, rows_reversed=column[1] < 0, columns_reversed=row[0] < 0)


def _step(reversed_: bool) -> int:
    return -1 if reversed_ else 1
