"""Weights -> integers, so that the convolution's outputs change least, not the weights themselves.

Rounding each weight to the nearest integer ignores that its inputs are correlated: what one weight's rounding adds,
another's could take away. With the covariance C of the inputs the output's error is e' C e for a row's rounding errors
e, and rounding weight by weight, each time passing the error on to those that are still free, is the "optimal brain"
scheme of Hassibi and Stork (1993) in the form of Frantar et al., "GPTQ" (2022, arXiv 2210.17323). Means are taken
care of by the bias.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.export.quantization.activations import Matrix, Moments

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
        bias: (o,) float32: to be added to the convolution's own; what rounding takes from the mean output.
    """

    integers: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def rounded(weights: Matrix, moments: Moments, input_step: float, largest: int) -> RoundedWeights:
    """Rounds the weights of a convolution, (o, n) float64.

    Args:
        weights: a row for each output channel.
        moments: of the n inputs.
        input_step: by which the inputs themselves are quantized; their rounding is noise of step^2 / 12.
        largest: absolute value of an integer, 127 at most.
    """
    covariance = moments.covariance
    noise = input_step**2 / 12 + _DAMPING * float(np.mean(np.diag(covariance))) + _TINY
    covariance = covariance + noise * np.eye(len(covariance))
    scales = np.maximum(np.abs(weights).max(axis=1) / largest, LEAST_STEP).astype(np.float32)
    integers = _passed_on(weights, covariance, scales.astype(np.float64), largest)
    lost = (weights - integers * scales[:, None]) @ moments.mean
    return RoundedWeights(integers.astype(np.int8), scales, lost.astype(np.float32))


def _passed_on(weights: Matrix, covariance: Matrix, scales: Matrix, largest: int) -> Matrix:
    """Rounds column by column, those with the loudest inputs first; the others make up for each one's error."""
    order = np.argsort(-np.diag(covariance), kind="stable")
    left = weights[:, order]
    factor = np.linalg.cholesky(np.linalg.inv(covariance[np.ix_(order, order)])).T
    found = np.zeros_like(left)
    for index in range(left.shape[1]):
        found[:, index] = np.clip(np.round(left[:, index] / scales), -largest, largest)
        error = (left[:, index] - found[:, index] * scales) / factor[index, index]
        left[:, index + 1 :] -= np.outer(error, factor[index, index + 1 :])
    back = np.empty_like(found)
    back[:, order] = found
    return back
