"""From a CT slice to the network's input, and from its logit map back: the steps of the published evaluation.

Published order: slice / 255, minus mean, over std, then OpenCV's bilinear resize. The exported graph includes the
normalisation, so an application resizes raw grey values. Bilinear weights sum to 1, so the two orders are equal except
for rounding.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import InputError, StatisticsError, UsageError

GREY_MAX = 255.0
"""Maximum of the grey scale of slices; the network's own scale is 0..1."""

MAX_SLICE_PIXELS = 2**26
"""Budget for one slice (8192 x 8192); CT slices have 512 x 512, some detectors 2048 x 2048."""

MAX_HU = 1e5
"""Metal reads some 3e4 HU in extended scales; a window beyond this is a mistake."""

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Statistics:
    """Normalisation on the 0..1 scale: averages over the training slices of each slice's mean and deviation."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.mean <= 1.0 and 0.0 < self.std <= 1.0):
            raise StatisticsError(
                "the statistics are out of range",
                expected="a mean in 0..1 and a std in 0..1, above 0, of slices on the 0..1 scale",
                got=f"mean {self.mean:g}, std {self.std:g}",
                remedy="Divide statistics of 8-bit slices by 255.",
            )


@dataclass(frozen=True)
class Window:
    """CT window in HU: `low_hu` becomes grey 0, `high_hu` grey 255."""

    low_hu: float
    high_hu: float

    def __post_init__(self) -> None:
        if not -MAX_HU <= self.low_hu < self.high_hu <= MAX_HU:
            got = f"{self.low_hu:g} {self.high_hu:g}"
            raise UsageError("the window is invalid", expected=f"LOW < HIGH in HU, within {MAX_HU:g} of 0", got=got)

    def grey_from_hu(self, slice_hu: npt.NDArray[np.generic]) -> FloatArray:
        """HU of any real dtype and shape -> float32 grey 0..255 of the same shape, clipped to the window."""
        grey = np.array(slice_hu, dtype=np.float32)
        grey -= np.float32(self.low_hu)
        grey *= np.float32(GREY_MAX / (self.high_hu - self.low_hu))
        return np.clip(grey, 0.0, GREY_MAX, out=grey)

    def hu_from_grey(self, grey: FloatArray) -> FloatArray:
        """Float32 grey 0..255 -> float32 HU within the window, of the same shape; the inverse."""
        step = np.float32((self.high_hu - self.low_hu) / GREY_MAX)
        return np.asarray(grey * step + np.float32(self.low_hu), dtype=np.float32)

    def clipped(self, slice_hu: npt.NDArray[np.generic]) -> FloatArray:
        """HU of any real dtype and shape -> float32 HU clipped to the window."""
        return np.asarray(np.clip(slice_hu.astype(np.float32), self.low_hu, self.high_hu), dtype=np.float32)


DEFAULT_WINDOW = Window(-1250.0, 250.0)
"""Of those tried, the one that fits the published P20 masks best."""


def checked_slice(slice_: object, channels: int = 1) -> tuple[FloatArray, tuple[str, ...]]:
    """A slice as float32 grey of the same shape, and warnings about it.

    The copy that is returned is the one that was checked, so a writer in another thread cannot change it afterwards.

    Args:
        slice_: (H, W), or (H, W, C) where the network wants C channels that differ; uint8, or float32 on the same
            0..255 scale.
        channels: the network's number of channels.

    Raises:
        InputError: another type, dtype, shape or range, NaN or infinity.
    """
    found = checked_array(slice_, channels)
    if found.dtype not in (np.uint8, np.float32):
        raise InputError(
            "a slice has a wrong dtype", expected="uint8, or float32 on the 0..255 scale", got=str(found.dtype),
            remedy="Convert it, or pass HU to segment_hu().",
        )  # fmt: skip
    grey = found.astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("a slice is not finite", expected="finite grey values 0..255", got="NaN or infinity")
    if low < 0.0 or high > GREY_MAX:
        raise InputError(
            "a slice is out of range",
            expected="grey values 0..255",
            got=f"{low:g}..{high:g}",
            remedy="Pass HU to segment_hu().",
        )
    return grey, _remarks(found.dtype, low, high)


def checked_hu(slice_hu: object, channels: int = 1) -> npt.NDArray[np.generic]:
    """A copy of a slice in HU, (H, W) or (H, W, C), of its dtype. `hu_values` decides whether the values are HU.

    The copy is what is checked, so a writer in another thread cannot change it afterwards.

    Raises:
        InputError: another type, shape or dtype than floats and integers of 16 bits or more, NaN or infinity.
    """
    found = checked_array(slice_hu, channels)
    if found.dtype.kind not in "iuf":
        raise InputError(
            "a slice has a wrong dtype", expected="an integer or floating NumPy array in HU", got=str(found.dtype)
        )
    if found.dtype.itemsize == 1:
        raise InputError(
            "8 bits cannot hold HU", expected="int16, float32 or another wide dtype, in HU", got=str(found.dtype),
            remedy="Pass grey values 0..255 to segment(). To convert a CT file to HU, use --rescale SLOPE INTERCEPT.",
        )  # fmt: skip
    own = np.array(found)
    if not (np.isfinite(own.min()) and np.isfinite(own.max())):  # NaN propagates through both; no temporary array
        raise InputError("a slice is not finite", expected="finite HU", got="NaN or infinity")
    return own


def checked_array(slice_: object, channels: int = 1) -> npt.NDArray[np.generic]:
    """The caller's array itself, checked for a slice's type, shape and size; its dtype and values are not checked.

    Raises:
        InputError: not an array, a masked one, another shape than (H, W) or (H, W, C), or more pixels than allowed.
    """
    axes, meaning = ("(H, W)", "one grey channel") if channels == 1 else (f"(H, W, {channels})", "different channels")
    if not isinstance(slice_, np.ndarray):
        raise InputError("a slice has a wrong type", expected=f"a NumPy array {axes}", got=type(slice_).__name__)
    check_unmasked(slice_)
    if slice_.ndim != (2 if channels == 1 else 3) or 0 in slice_.shape or slice_.shape[2:] not in ((), (channels,)):
        raise InputError("a slice has a wrong shape", expected=f"{axes}, {meaning}", got=str(slice_.shape))
    check_pixel_budget(slice_.shape[0], slice_.shape[1])
    return slice_


def check_unmasked(array: npt.NDArray[np.generic]) -> None:
    """Refuses masked arrays, whose checks would miss the masked values. Raises: InputError."""
    if isinstance(array, np.ma.MaskedArray):
        raise InputError(
            "an array is masked", expected="values for all pixels", got="a numpy.ma.MaskedArray",
            remedy="Call .filled(-1000) to fill masked HU with air.",
        )  # fmt: skip


def check_pixel_budget(height: int, width: int) -> None:
    """Refuses slices with more pixels than allowed. Raises: InputError."""
    if height * width > MAX_SLICE_PIXELS:
        raise InputError(
            "a slice is too large", expected=f"at most {MAX_SLICE_PIXELS} pixels", got=f"{height} x {width}"
        )


def _remarks(dtype: np.dtype[np.generic], low: float, high: float) -> tuple[str, ...]:
    if low == high:
        return (f"constant slice: every pixel is {low:g}",)
    if dtype == np.float32 and high <= 1.0:
        return ("float32 slice with no value above 1: is it on the 0..1 scale instead of 0..255?",)
    return ()


def network_input(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(H, W) or (H, W, C) float32 -> (1, C, *size) float32: resized like the published evaluation, not normalised."""
    image = resized(values, size)
    channels_first = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return np.ascontiguousarray(channels_first[None])


def resized(image: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(H, W) or (H, W, C) float32 -> `size` (height, width), OpenCV's bilinear; the same array if it has that size."""
    if image.shape[:2] == size:
        return image
    from miniseg_edge.host.opencv import cv2

    out = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(out, dtype=np.float32)


def mask_from_logits(logits: FloatArray) -> ByteArray:
    """Logit maps over background (C - 1, H, W) -> class per pixel (H, W) uint8, 0 background; argmax of all C.

    The background's own map is 0 throughout, and a tie goes to the lower class, as argmax has it.
    """
    if len(logits) == 1:  # the usual two classes, without argmax's detour through int64
        return np.asarray(logits[0] > 0.0, dtype=np.uint8)
    best = logits.max(axis=0)
    return np.where(best > 0.0, logits.argmax(axis=0) + 1, 0).astype(np.uint8)
