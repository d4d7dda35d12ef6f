"""Golden slices: phantoms with the reference's answer, stored in the bundle, so that any machine can ask again.

Phantoms and never the user's slices, because bundles travel.
"""

import io

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import BundleError
from miniseg_edge.images import slice_from_bytes
from miniseg_edge.manifest import GoldenSlice
from miniseg_edge.preprocessing import ByteArray, FloatArray


def golden_image(bundle: Bundle, golden: GoldenSlice) -> ByteArray:
    """The slice (H, W) uint8. Raises: UnsupportedFormatError, InputError."""
    return slice_from_bytes(bundle.contents[golden.image], golden.image)


def golden_logits(bundle: Bundle, golden: GoldenSlice, size: tuple[int, int]) -> FloatArray:
    """The reference's logit maps (C - 1, H, W) float32 for a slice of `size`. Raises: BundleError."""
    shape = (bundle.manifest.network.architecture.classes - 1, *size)
    return _float_array(bundle.contents[golden.logit], shape, golden.logit)


def npy_from_logits(logits: FloatArray) -> bytes:
    """Serialises logit maps as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, logits, allow_pickle=False)
    return buffer.getvalue()


def _float_array(data: bytes, shape: tuple[int, ...], name: str) -> FloatArray:
    """Reads a .npy of a known shape, so that its header can promise nothing else and no pickle is ever read."""
    buffer = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(buffer) != (1, 0):
            raise ValueError("another version of the format")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(buffer)
        content = data[buffer.tell() :]
        if found != shape or fortran or dtype != np.dtype("<f4") or len(content) != 4 * int(np.prod(shape)):
            raise ValueError(f"{found} {dtype}, {len(content)} bytes of data")
    except ValueError as error:
        raise BundleError(f"{name} is not what the manifest says", f"float32 {shape}", str(error)) from error
    return np.frombuffer(content, "<f4").reshape(shape)
