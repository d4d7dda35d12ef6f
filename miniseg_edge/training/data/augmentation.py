"""The augmentation of the paper: crop and resize, and flip upside down, each with probability 1/2."""

import numpy as np

from miniseg_edge.host.opencv import cv2
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, resized

_PROBABILITY = 0.5


def augmented(
    image: FloatArray, label: ByteArray, max_crop_px: int, generator: np.random.Generator
) -> tuple[FloatArray, ByteArray]:
    """A slice and its label, both cropped and flipped or neither; sizes are preserved.

    Args:
        image: (H, W) float32.
        label: (H, W) uint8.
        max_crop_px: a crop removes 0 to this many pixels from each of the four sides; less than half a side.
        generator: its state determines the result.
    """
    if generator.random() < _PROBABILITY:
        image, label = _cropped(image, label, max_crop_px, generator)
    if generator.random() < _PROBABILITY:
        image, label = np.ascontiguousarray(image[::-1]), np.ascontiguousarray(label[::-1])
    return image, label


def resized_label(label: ByteArray, size: tuple[int, int]) -> ByteArray:
    """(H, W) uint8 -> `size` (height, width), nearest neighbour, so that no label is invented."""
    if label.shape == size:
        return label
    out = cv2.resize(label, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(out, dtype=np.uint8)


def _cropped(
    image: FloatArray, label: ByteArray, max_crop_px: int, generator: np.random.Generator
) -> tuple[FloatArray, ByteArray]:
    height, width = label.shape
    top, bottom, left, right = (int(px) for px in generator.integers(0, max_crop_px, 4, endpoint=True))
    kept = np.s_[top : height - bottom, left : width - right]
    # OpenCV needs contiguous rows.
    image, label = np.ascontiguousarray(image[kept]), np.ascontiguousarray(label[kept])
    return resized(image, (height, width)), resized_label(label, (height, width))
