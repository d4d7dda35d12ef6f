"""Images that cost more than they are worth."""

import cv2
import numpy as np
import pytest

from miniseg_edge.errors import UnsupportedFormatError
from miniseg_edge.slices.images import MAX_JPEG_SCANS, slice_from_bytes

SCAN = b"\xff\xda"


def progressive(scans: int) -> bytes:
    """A progressive JPEG whose last scan, a few bytes that a decoder spends a pass over the image on, is repeated."""
    pixels = np.full((64, 64), 90, np.uint8)
    data = bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    last = data[data.rindex(SCAN) : -2]
    return data[:-2] + last * (scans - data.count(SCAN)) + data[-2:]


def test_a_jpeg_of_endless_scans_is_refused_undecoded() -> None:
    with pytest.raises(UnsupportedFormatError, match=f"at most {MAX_JPEG_SCANS} scans"):
        slice_from_bytes(progressive(MAX_JPEG_SCANS + 1), "scans.jpg")


def test_a_progressive_jpeg_of_a_few_scans_is_read() -> None:
    assert slice_from_bytes(progressive(12), "scans.jpg").shape == (64, 64)
