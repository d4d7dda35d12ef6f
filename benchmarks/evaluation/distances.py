"""Hausdorff distances between two masks, in pixels or in mm, by scipy's exact distance transform."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.host.dependencies import require

BoolMask = npt.NDArray[np.bool_]


def hausdorff(one: BoolMask, other: BoolMask, spacing: Sequence[float] | None = None) -> float:
    """The largest distance from a pixel of either mask to the nearest pixel of the other one.

    This is the published scores' distance, over all pixels of the masks; scipy's `directed_hausdorff` of the pixels'
    coordinates gives the same.

    Args:
        one, other: masks of equal shape, neither empty.
        spacing: of the axes, in the unit of the result; default: 1, pixels.

    Raises:
        MissingDependencyError: scipy is missing.
    """
    return max(float(_away_from(other, spacing)[one].max()), float(_away_from(one, spacing)[other].max()))


def hausdorff_95(one: BoolMask, other: BoolMask, spacing: Sequence[float] | None = None) -> float:
    """The 95th percentile of the distances from either surface to the other one; the larger of the two directions.

    Like MONAI's `compute_hausdorff_distance(percentile=95)`: over surface pixels, and insensitive to a single stray
    pixel.

    Args and Raises: see `hausdorff`.
    """
    a, b = _surface(one), _surface(other)
    directed = (np.percentile(_away_from(b, spacing)[a], 95), np.percentile(_away_from(a, spacing)[b], 95))
    return float(max(directed))


def _away_from(mask: BoolMask, spacing: Sequence[float] | None) -> npt.NDArray[np.float64]:
    """Each pixel's distance from the nearest pixel of the mask."""
    images: Any = require("scipy.ndimage", "bench")
    return np.asarray(images.distance_transform_edt(~mask, sampling=spacing))


def _surface(mask: BoolMask) -> BoolMask:
    images: Any = require("scipy.ndimage", "bench")
    return mask & ~np.asarray(images.binary_erosion(mask), dtype=np.bool_)
