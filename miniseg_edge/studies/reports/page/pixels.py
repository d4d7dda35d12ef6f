"""A study's pixels as embedded in the page: small, and good enough for two windows."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

KNOTS: tuple[tuple[float, int], ...] = ((-1350.0, 0), (-160.0, 120), (240.0, 255))
"""HU and the grey value for each, linear in between: 10 HU per step in the lungs, 3 in soft tissue.

So one 8-bit picture serves both windows.
"""

MAX_SIDE = 640
"""Larger slices are reduced."""

MAX_JPEG_BYTES = 55_000
"""Bytes per slice: 300 slices, in base64 and with masks, stay below 25 MB."""

_QUALITIES = (92, 85, 75, 60, 45, 30)
_PROJECTION_QUALITY = 88
_DARK, _BRIGHT = 2.0, 99.5
"""Percentiles of a projection that map to black and white."""


@dataclass(frozen=True)
class Shown:
    """How a volume is shown.

    Attributes:
        size: (H, W) of the slices on the page.
        times: how many pixels of the study become one on the page, along each side.
    """

    size: tuple[int, int]
    times: int


def shown_size(size: tuple[int, int]) -> Shown:
    """For slices of this (H, W)."""
    times = -(-max(size) // MAX_SIDE)
    return Shown((-(-size[0] // times), -(-size[1] // times)), times)


def jpeg_of_slice(slice_hu: FloatArray, shown: Shown) -> str:
    """(H, W) HU -> a grey JPEG in base64, at the best quality that fits."""
    from miniseg_edge.host.opencv import cv2

    hu, grey = zip(*KNOTS, strict=True)
    carried = np.interp(slice_hu, hu, grey).round().astype(np.uint8)
    if shown.times > 1:
        carried = np.asarray(cv2.resize(carried, shown.size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    data = b""
    for quality in _QUALITIES:
        data = _jpeg(carried, quality)
        if len(data) <= MAX_JPEG_BYTES:
            break
    return base64.b64encode(data).decode()


def runs_of_mask(mask: ByteArray, shown: Shown) -> list[int]:
    """(H, W), lesion above 0 -> run lengths without lesion, with, without, ..., row by row; empty without lesion.

    On a reduced page, a pixel is lesion if any of its pixels in the study is, so that no lesion vanishes.
    """
    lesion = mask > 0
    if not lesion.any():
        return []
    if (times := shown.times) > 1:
        height, width = shown.size
        padded = np.zeros((height * times, width * times), bool)
        padded[: lesion.shape[0], : lesion.shape[1]] = lesion
        lesion = np.asarray(padded.reshape(height, times, width, times).any(axis=(1, 3)), bool)
    flat = lesion.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], changes, [flat.size]))
    lengths: list[int] = np.diff(starts).tolist()
    return [0, *lengths] if flat[0] else lengths


def projection(rows: Sequence[npt.NDArray[np.float64]]) -> str:
    """Each slice's mean HU along one side -> a picture, head first, as a grey JPEG in base64."""
    values = np.stack(rows[::-1])
    dark, bright = (float(np.percentile(values, percent)) for percent in (_DARK, _BRIGHT))
    scaled = np.clip((values - dark) / max(bright - dark, 1.0), 0.0, 1.0)
    return base64.b64encode(_jpeg((scaled * 255).round().astype(np.uint8), _PROJECTION_QUALITY)).decode()


def _jpeg(grey: ByteArray, quality: int) -> bytes:
    from miniseg_edge.host.opencv import cv2

    return bytes(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
