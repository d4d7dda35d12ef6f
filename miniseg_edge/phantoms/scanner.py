"""What a scanner makes of it: blur, noise, the field of view, the lung window."""

import numpy as np

from miniseg_edge.phantoms.chance import Random
from miniseg_edge.phantoms.frame import Frame, from_centre
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, Window


def scanned(form: Random, grain: Random, hu: FloatArray, frame: Frame) -> ByteArray:
    """(H, W) HU -> (H, W) uint8 grey: blur, noise, the round field of view, the lung window."""
    deviation_hu = form.between(14.0, 42.0)
    window = Window(form.between(-1200.0, -1080.0), form.between(150.0, 350.0))
    hu = _blurred(hu)
    hu += np.float32(deviation_hu) * _grain(grain, frame.size)
    if form.chance(0.4):
        v, u = from_centre(frame.size[0])[:, None], from_centre(frame.size[1])[None, :]
        hu = np.where(u * u + v * v > np.float32(min(frame.size) ** 2 / 4), window.low_hu, hu)
    return np.rint(window.grey_from_hu(hu)).astype(np.uint8)


def _grain(random: Random, size: tuple[int, int]) -> FloatArray:
    """Noise of deviation about 1 from pixel to pixel, slightly correlated like a reconstruction's."""
    white = random.grid(size) + random.grid(size) + random.grid(size)
    return _blurred(white) * np.float32(8 / 3)  # the blur leaves (3 / 8)^2 of the variance, which was 1


def _blurred(image: FloatArray) -> FloatArray:
    """Binomial blur (1 2 1) / 4 along both axes; edges are repeated."""
    for axis in (0, 1):
        index = np.arange(image.shape[axis])
        before, after = image.take(index - 1, axis, mode="clip"), image.take(index + 1, axis, mode="clip")
        image = (before + after + image + image) * np.float32(0.25)
    return image
