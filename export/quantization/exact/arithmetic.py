"""Sums of products that have the same bits on every processor.

Floating-point addition is not associative: BLAS kernels add in an order that depends on the instruction set and on the
number of threads, and a fused multiply-add rounds once where two instructions round twice. Here each factor is first
rounded to an integer times a power of two, with so few bits that every product and every partial sum is an integer of
at most 2^53. float64 holds those exactly, so no order and no fusing can change a bit, and any BLAS can do the work.

Everything else is element-wise: NumPy's add, multiply, divide, sqrt, rint and comparisons are IEEE 754 operations,
correctly rounded on every processor. exp, log and similar functions are not, and are not used.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import ExportError
from miniseg_edge.slices.preprocessing import FloatArray

Matrix = npt.NDArray[np.float64]

EXACT_BITS = 53
"""Integers up to 2^53 are exact in float64."""

FACTOR_BITS = 24
"""Bits of the right factor of a product: those of float32."""

_SMALLEST_EXPONENT = -30
"""Grids are no finer than this: smaller values do not matter to a network, and steps stay far from float32's smallest
number.
"""

_BLOCK = 2**17
"""Multiplications per BLAS call: few enough that it does not start its own threads, which would compete with ours, and
that the operands stay in a core's cache.
"""


@dataclass(frozen=True, eq=False)
class Grid:
    """Values as integer multiples of a step.

    Attributes:
        integers: float64, whole, at most 2^bits in magnitude.
        step: a power of two; a scalar, or (n, 1, ..) with one for each entry of the first axis.
    """

    integers: Matrix
    step: Matrix


def on_grid(values: FloatArray | Matrix, bits: int, *, by_row: bool = False) -> Grid:
    """Rounds values to the grid on which the largest of them takes `bits` bits.

    Args:
        values: of any shape, at least one.
        bits: of the largest magnitude.
        by_row: a grid for each entry of the first axis, in the place of one for all.

    Raises:
        ExportError: a value is NaN or infinite.
    """
    axes = tuple(range(1, values.ndim)) if by_row else None
    largest = np.maximum(values.max(axis=axes, keepdims=by_row), -values.min(axis=axes, keepdims=by_row))
    if not np.isfinite(largest).all():
        raise ExportError(
            "the network's values overflow on a calibration slice", expected="finite values", got="NaN or infinity"
        )
    exponent = np.maximum(np.frexp(largest.astype(np.float64))[1], _SMALLEST_EXPONENT)
    integers = np.multiply(values, np.ldexp(1.0, bits - exponent), dtype=np.float64)
    return Grid(np.rint(integers, out=integers), np.asarray(np.ldexp(1.0, exponent - bits)))


def bits_for(terms: int) -> int:
    """How many bits two factors may have together, so that a sum of `terms` products of them is exact."""
    return EXACT_BITS - (terms - 1).bit_length()


def product(left: FloatArray | Matrix, right: Grid) -> FloatArray:
    """(o, n) @ (n, p) -> (o, p), each sum rounded once, to float32.

    Args:
        left: rounded to a grid per row, with the bits that `right` leaves.
        right: one grid of `FACTOR_BITS`.
    """
    rows = on_grid(left, bits_for(left.shape[1]) - FACTOR_BITS, by_row=True)
    found = _matmul(rows.integers, right.integers).astype(np.float32)
    found *= (rows.step * right.step).astype(np.float32)
    return found


def sums(rows: FloatArray | Matrix) -> tuple[Matrix, Matrix]:
    """(n, p) -> the sum of each row, (n,), and the products of all pairs of rows, rows @ rows^T, (n, n); float64.

    Both are of the same rounded values, so that the covariance made of them is that of real data.
    """
    grid = on_grid(rows, bits_for(rows.shape[1]) // 2, by_row=True)
    each, width = grid.integers, max(1, _BLOCK // len(rows) ** 2)
    total = np.zeros((len(rows), len(rows)))
    for first in range(0, rows.shape[1], width):
        block = each[:, first : first + width]
        total += block @ block.T
    return each.sum(axis=1) * grid.step[:, 0], total * (grid.step * grid.step.T)


def dot(left: Matrix, right: Matrix) -> float:
    """The sum of the products of two vectors: each product is rounded once, and their sum as if it were exact."""
    return math.fsum((left * right).tolist())


def _matmul(left: Matrix, right: Matrix) -> Matrix:
    """The product, computed in blocks of columns."""
    (outputs, terms), pixels = left.shape, right.shape[1]
    width = min(max(8, _BLOCK // (outputs * terms)), pixels)
    found = np.empty((outputs, pixels))
    whole = pixels // width * width
    blocks = right[:, :whole].reshape(terms, -1, width).transpose(1, 0, 2)
    np.matmul(left, blocks, out=found[:, :whole].reshape(outputs, -1, width).transpose(1, 0, 2))
    if whole < pixels:
        found[:, whole:] = left @ right[:, whole:]
    return found
