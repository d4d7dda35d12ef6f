"""A slice with both masks, small."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from miniseg_edge.benchmarks.plots.colours import ARTIFACT_COLOUR, CHANGED_COLOUR, REFERENCE_COLOUR, rgb
from miniseg_edge.host.opencv import cv2
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.slices.preprocessing import ByteArray

_THUMBNAIL = 336
_MIN_CROP = 96
_DASH = 7


def thumbnail(image: ByteArray, reference: ByteArray, artifact: ByteArray) -> bytes:
    """The part of a slice (H, W) uint8 that holds both masks (H, W) uint8, as a square PNG.

    Changed pixels are filled, the reference's lesion is outlined, and the artefact's outline is dashed over it: where
    the two agree, both colours are visible.
    """
    rows, columns = _crop(reference, artifact)
    grey = _scaled(image[rows, columns], cv2.INTER_CUBIC)
    canvas = cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2BGR)
    for outline in _outlines(reference[rows, columns]):
        cv2.polylines(canvas, [outline], True, _bgr(REFERENCE_COLOUR), 2, cv2.LINE_AA)
    for outline in _outlines(artifact[rows, columns]):
        for start in range(0, len(outline), 2 * _DASH):
            dash = outline[start : start + _DASH]
            cv2.polylines(canvas, [dash], False, _bgr(ARTIFACT_COLOUR), 2, cv2.LINE_AA)
    # Changed pixels come last: a single one would be hidden by its own outline.
    changed = _covered((reference != artifact)[rows, columns])
    canvas[changed] = (0.3 * canvas[changed] + 0.7 * np.array(_bgr(CHANGED_COLOUR))).astype(np.uint8)
    return png_from_pixels(np.asarray(canvas, dtype=np.uint8))


def _crop(reference: ByteArray, artifact: ByteArray) -> tuple[slice, slice]:
    """Rows and columns of a square around both lesions, or as close to a square as the slice permits."""
    found = np.argwhere((reference > 0) | (artifact > 0))
    if not len(found):
        return slice(None), slice(None)
    first, last = found.min(axis=0), found.max(axis=0) + 1
    side = max(_MIN_CROP, round(1.25 * float((last - first).max())))
    cropped = []
    for axis, length in enumerate(reference.shape):
        size = min(side, length)
        start = min(max(0, int(first[axis] + last[axis] - size) // 2), length - size)
        cropped.append(slice(start, start + size))
    return cropped[0], cropped[1]


def _scaled(pixels: ByteArray, enlarge: int) -> ByteArray:
    """Its longer side as long as a thumbnail."""
    factor = _THUMBNAIL / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    interpolation = enlarge if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=interpolation), dtype=np.uint8)


def _covered(
    changed: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Where anything changed: a single pixel is visible in the smallest thumbnail."""
    return _scaled(changed.astype(np.uint8) * 255, cv2.INTER_NEAREST) > 0


def _outlines(mask: ByteArray) -> Sequence[npt.NDArray[np.int32]]:
    lesion = _scaled((mask > 0).astype(np.uint8) * 255, cv2.INTER_NEAREST) > 127
    found, _ = cv2.findContours(lesion.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(outline, dtype=np.int32) for outline in found]


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = rgb(colour)
    return blue, green, red
