"""The lungs: tissue, lesions, vessels."""

import numpy as np

from miniseg_edge.phantoms.anatomy import Chest
from miniseg_edge.phantoms.chance import Random, fractal
from miniseg_edge.phantoms.frame import Frame
from miniseg_edge.phantoms.lesions import draw_lesions
from miniseg_edge.phantoms.painting import MUSCLE_HU, cover_of, paint
from miniseg_edge.phantoms.vessels import vessel_share
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray


def fill_lungs(random: Random, hu: FloatArray, frame: Frame, chest: Chest, outline: FloatArray) -> ByteArray:
    """Paints the lungs with their vessels and lesions; returns the lesions' mask."""
    air = random.between(-890.0, -835.0)
    gravity = random.between(20.0, 70.0)
    tissue = np.float32(air) + np.float32(gravity) * frame.y
    tissue += np.float32(11) * fractal(random, frame.size, 6, 2)
    tissue += np.float32(16) * fractal(random, frame.size, 48, 3)
    mask = draw_lesions(random, tissue, frame, chest, outline)
    share = vessel_share(random, frame, chest, outline)
    np.maximum(tissue, tissue + share * (np.float32(MUSCLE_HU + 15) - tissue), out=tissue)
    paint(hu, cover_of(outline, 0.008), tissue)
    return mask
