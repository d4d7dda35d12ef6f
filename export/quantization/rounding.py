"""Weights -> integers, with the least change of the convolution's outputs rather than of the weights.

Rounding each weight to the nearest integer ignores that its inputs are correlated: the error of one weight could cancel
another's. With the covariance C of the inputs, the output's error is e' C e for a row's rounding errors e. Rounding
weight by weight, and passing each error on to the weights that are still free, is the "optimal brain" scheme of Hassibi
and Stork (1993) in the form of Frantar et al., "GPTQ" (2022, arXiv 2210.17323). The bias corrects the means.

One last bit decides between two integers, and each integer changes all that follow. So nothing here uses BLAS or
LAPACK, whose sums depend on the processor: matrices are factored by rank-one updates, element by element.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.export.quantization.exact.arithmetic import Matrix, dot
from miniseg_edge.export.quantization.observation import Moments

LEAST_STEP = 2.0**-24
"""FP16's smallest number: TensorRT has steps in FP16, and refuses one of 0."""

_DAMPING = 1e-4
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """A convolution's weights as integers.

    Attributes:
        integers: (o, n) int8, symmetric around 0.
        scales: (o,) float32: weight = integer * scale.
        bias: (o,) float32: added to the convolution's own; corrects the mean output.
    """

    integers: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def rounded(weights: Matrix, moments: Moments, input_step: float, largest: int) -> RoundedWeights:
    """Rounds the weights of a convolution, (o, n) float64.

    Args:
        weights: one row per output channel.
        moments: of the n inputs.
        input_step: quantization step of the inputs, whose rounding is noise of step^2 / 12.
        largest: absolute value of an integer, 127 at most.
    """
    covariance = moments.covariance
    variance = math.fsum(np.diag(covariance).tolist()) / len(covariance)
    noise = input_step * input_step / 12 + _DAMPING * variance + _TINY
    covariance = covariance + noise * np.eye(len(covariance))
    scales = np.maximum(np.abs(weights).max(axis=1) / largest, LEAST_STEP).astype(np.float32)
    integers = _passed_on(weights, covariance, scales.astype(np.float64), largest)
    errors = weights - integers * scales.astype(np.float64)[:, None]
    lost = np.array([dot(row, moments.mean) for row in errors]) + 0.0  # there is no -0
    return RoundedWeights(integers.astype(np.int8), scales, lost.astype(np.float32))


def _passed_on(weights: Matrix, covariance: Matrix, scales: Matrix, largest: int) -> Matrix:
    """Rounds column by column, starting with the loudest inputs; the others compensate for each error."""
    order = np.argsort(-np.diag(covariance), kind="stable")
    left = weights[:, order]
    factor = inverse_factor(covariance[np.ix_(order, order)])
    found = np.zeros_like(left)
    for index in range(left.shape[1]):
        found[:, index] = np.clip(np.round(left[:, index] / scales), -largest, largest)
        error = (left[:, index] - found[:, index] * scales) / factor[index, index]
        left[:, index + 1 :] -= np.outer(error, factor[index, index + 1 :])
    back = np.empty_like(found)
    back[:, order] = found
    return back


def inverse_factor(matrix: Matrix) -> Matrix:
    """U, upper triangular, with U^T U the inverse of a positive definite matrix.

    With matrix = R R^T and R upper triangular, a Cholesky factorisation from the last row up, U is the inverse of R.
    """
    left, upper = matrix.copy(), np.zeros_like(matrix)
    for last in range(len(matrix) - 1, -1, -1):
        upper[: last + 1, last] = left[: last + 1, last] / np.sqrt(left[last, last])
        above = upper[:last, last]
        left[:last, :last] -= np.multiply.outer(above, above)
    inverse = np.eye(len(matrix))
    for last in range(len(matrix) - 1, -1, -1):
        inverse[last] /= upper[last, last]
        inverse[:last] -= np.multiply.outer(upper[:last, last], inverse[last])
    return inverse
