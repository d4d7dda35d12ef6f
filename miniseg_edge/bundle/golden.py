"""Golden slices: phantoms with the reference's answer, stored in the bundle, so that any machine can repeat the check.

They are phantoms and never the user's slices, because bundles are passed on.
"""

import io
import math

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import GoldenSlice
from miniseg_edge.errors import BundleError
from miniseg_edge.slices.images import png_from_pixels, slice_from_bytes
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

_NPY_START = b"\x93NUMPY\x01\x00"


def golden_image(bundle: Bundle, golden: GoldenSlice) -> ByteArray:
    """The slice (H, W) uint8, or (H, W, C) if the graph wants C channels.

    Raises:
        UnsupportedFormatError, InputError: the image cannot be read.
        BundleError: its height does not hold C channels stacked vertically.
    """
    channels = bundle.manifest.interface.channels
    pixels = slice_from_bytes(bundle.contents[golden.image], golden.image)
    if channels == 1:
        return pixels
    if len(pixels) % channels:
        raise BundleError(
            f"{golden.image} has a wrong height", expected=f"{channels} channels of one height", got=f"{len(pixels)}"
        )
    return np.ascontiguousarray(pixels.reshape(channels, -1, pixels.shape[1]).transpose(1, 2, 0))


def png_from_golden(image: ByteArray) -> bytes:
    """(H, W) or (H, W, C) uint8 -> a grey PNG with the channels stacked vertically, because PNG has few channels."""
    stacked = image if image.ndim == 2 else image.transpose(2, 0, 1).reshape(-1, image.shape[1])
    return png_from_pixels(np.ascontiguousarray(stacked))


def golden_logits(bundle: Bundle, golden: GoldenSlice, size: tuple[int, int]) -> FloatArray:
    """The reference's logit maps (C - 1, H, W) float32 for a slice of `size`. Raises: BundleError."""
    shape = (bundle.manifest.network.classes - 1, *size)
    return _float_array(bundle.contents[golden.logit], shape, golden.logit)


def npy_from_logits(logits: FloatArray) -> bytes:
    """Serialises logit maps as .npy."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(logits, "<f4"), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def _float_array(data: bytes, shape: tuple[int, ...], name: str) -> FloatArray:
    """Reads a .npy of a known shape by comparing its header with the only valid one; no parser, no pickle."""
    header, content = _header_and_content(data)
    wanted = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    if header != wanted or len(content) != 4 * math.prod(shape):
        raise BundleError(
            f"{name} does not match the manifest",
            expected=f"float32 {shape}",
            got=f"{header[:120]!r}, {len(content)} bytes",
        )
    return np.frombuffer(content, "<f4").reshape(shape)


def _header_and_content(data: bytes) -> tuple[str, bytes]:
    """Of .npy version 1.0; an empty header for anything else."""
    if not data.startswith(_NPY_START) or len(data) < len(_NPY_START) + 2:
        return "", data
    begin = len(_NPY_START) + 2
    end = begin + int.from_bytes(data[begin - 2 : begin], "little")
    return data[begin:end].decode("latin-1").rstrip(" \n"), data[end:]
