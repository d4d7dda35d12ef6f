"""Phantoms in HU, the ways in which real CT varies, and the kinds of values that are not HU."""

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import Window

Volume = npt.NDArray[Any]
Change = Callable[[Volume], Volume]

WINDOW = Window(-1250.0, 250.0)


@functools.lru_cache(maxsize=1024)
def _phantom_hu(seed: int, size: tuple[int, int]) -> npt.NDArray[np.int16]:
    grey_values = phantom(seed, size).image.astype(np.float32)
    return np.rint(WINDOW.hu_from_grey(grey_values)).astype(np.int16)


def phantom_hu(count: int = 4, size: tuple[int, int] = (64, 64), first: int = 0) -> npt.NDArray[np.int16]:
    """(count, H, W) whole HU of phantoms."""
    return np.stack([_phantom_hu(first + index, size) for index in range(count)])


def grey(volume: Volume, low: float = -1250.0, high: float = 250.0) -> Volume:
    """HU through a window, 0..1."""
    return (np.clip(volume, low, high).astype(np.float64) - low) / (high - low)


def padded(volume: Volume, value: float) -> Volume:
    """Outside the round field of view one value, as scanners write it."""
    height, width = volume.shape[1:]
    y, x = np.mgrid[:height, :width] + 0.5
    outside = (y - height / 2) ** 2 + (x - width / 2) ** 2 > (min(height, width) / 2) ** 2
    return np.where(outside, np.asarray(value, volume.dtype), volume)


def padded_with(value: float) -> Change:
    """The change that `padded` makes."""
    return lambda volume: padded(volume, value)


def zoomed(volume: Volume) -> Volume:
    """The middle alone: body and lung, without outside air."""
    rows, columns = volume.shape[1] // 5, volume.shape[2] // 5
    return volume[:, rows:-rows, columns:-columns]


def small_in_a_large_field(volume: Volume) -> Volume:
    """A child: half as wide, with air around."""
    height, width = volume.shape[1:]
    whole = np.random.default_rng(0).normal(-1000, 12, volume.shape)
    for index, slice_ in enumerate(np.maximum(volume, -1024).astype(np.float32)):
        small = cv2.resize(slice_, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        whole[index, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2] = small
    return np.rint(whole)


def with_metal(volume: Volume, value: float) -> Volume:
    """A piece of metal in the middle."""
    found = volume.copy()
    height, width = volume.shape[1:]
    found[:, height // 2 : height // 2 + height // 12, width // 2 : width // 2 + width // 12] = value
    return found


def with_contrast(volume: Volume) -> Volume:
    """Blood and organs 150 HU brighter."""
    return np.where((volume > 20) & (volume < 80), volume + 150, volume)


def stored(volume: Volume) -> Volume:
    """HU + 1024, as scanners store them: none below 0."""
    return np.maximum(volume, -1024) + 1024.0


def labels(volume: Volume, count: int) -> Volume:
    """A label map of so many values."""
    return np.digitize(volume, np.linspace(-1000, 200, count - 1)).astype(np.int16)


VARIATIONS: dict[str, Change] = {
    "as it is": lambda volume: volume,
    "float32": lambda volume: volume.astype(np.float32) + np.float32(0.25),
    "clipped to -1250..250": lambda volume: np.clip(volume, -1250, 250),
    "clipped to -1000..400": lambda volume: np.clip(volume, -1000, 400),
    "clipped to -1024..3071": lambda volume: np.clip(volume, -1024, 3071),
    **{f"padded with {value}": padded_with(value) for value in (-1000, -1024, -2000, -2048, -3024, -32768)},
    "zoomed": zoomed,
    "a child": small_in_a_large_field,
    "metal of 3071": lambda volume: with_metal(volume, 3071),
    "metal of 30000": lambda volume: with_metal(volume, 30000),
    "contrast": with_contrast,
}
"""How real CT varies: none of these may be taken for something else."""

GREY, SHIFTED, MISSING = "0..255: windowed grey values", "HU + 1024: the intercept -1024 is missing", "is missing"
NOT_HU: dict[str, tuple[Change, str]] = {
    "grey 0..255": (lambda volume: np.rint(grey(volume) * 255).astype(np.int16), GREY),
    "grey 0..255 in float32": (lambda volume: (grey(volume) * 255).astype(np.float32), GREY),
    "grey 0..255 of soft tissue": (lambda volume: np.rint(grey(volume, -160, 240) * 255).astype(np.int16), GREY),
    "grey 0..255, padding read as air": (lambda v: padded(np.rint(grey(v) * 255).astype(np.int16), -1000), GREY),
    "grey 0..255, black read as air": (lambda v: np.where(grey(v) == 0, -1000.0, np.rint(grey(v) * 255)), GREY),
    "grey 255..0": (lambda volume: 255 - np.rint(grey(volume) * 255).astype(np.int16), GREY),
    "grey 0..1": (lambda volume: grey(volume).astype(np.float32), "0..1: windowed grey values"),
    "grey 0..1, padding read as air": (lambda volume: padded(grey(volume), -1000), "0..1: windowed grey values"),
    "grey 0..4095": (
        lambda volume: np.rint(grey(volume) * 4095).astype(np.uint16),
        "0..4095: HU + 1024 without its intercept, or windowed",
    ),
    "grey 0..65535": (lambda volume: np.rint(grey(volume) * 65535).astype(np.uint16), "0..65535"),
    "grey -1..1": (lambda volume: (grey(volume) * 2 - 1).astype(np.float32), "-1..1: normalised"),
    "HU / 1000": (lambda volume: volume / np.float32(1000), "HU / 1000"),
    "z-scores": (lambda volume: (volume - volume.mean()) / volume.std(), "normalised"),
    "a soft tissue window of HU": (lambda volume: np.clip(volume, -160, 240), "a window that hides the lungs"),
    "HU + 1024 in int16": (lambda volume: stored(volume).astype(np.int16), SHIFTED),
    "HU + 1024 in uint16": (lambda volume: stored(volume).astype(np.uint16), SHIFTED),
    "HU + 1000": (lambda volume: stored(volume) - 24, SHIFTED),
    "HU + 1024 padded with -2000": (lambda volume: padded(stored(volume), -2000), SHIFTED),
    "HU + 1024 padded with -3024": (lambda volume: padded(stored(volume), -3024), SHIFTED),
    "HU + 1024, padding read as air": (lambda volume: padded(stored(volume), -1000), SHIFTED),
    "HU + 1024, zoomed": (lambda volume: zoomed(stored(volume)), SHIFTED),
    "HU + 8192": (lambda volume: stored(volume) + 7168, MISSING),
    "HU + 32768": (lambda volume: volume.astype(np.float32) + 32768, "0..65535"),
    "an intercept twice": (lambda volume: np.maximum(volume, -1024) - 1024.0, "scaled or shifted"),
    "ten times HU": (lambda volume: volume * 10.0, "scaled or shifted"),
    "a slope of 1/2 forgotten": (lambda volume: stored(volume) * 2 - 1024, "scaled or shifted"),
    "a slope of 1/4 forgotten": (lambda volume: stored(volume) * 4 - 1024, "scaled or shifted"),
    "all 0": (np.zeros_like, "one value, 0"),
    "all -500": (lambda volume: np.full_like(volume, -500), "one value, -500"),
    "all 1.5": (lambda volume: np.full(volume.shape, 1.5, np.float32), "one value, 1.5"),
    "0 and 1": (lambda volume: (volume < -500).astype(np.int16), "two values, 0 and 1"),
    "0 and 255": (lambda volume: (volume < -500).astype(np.float32) * 255, "two values, 0 and 255"),
    "-1000 and 40": (lambda volume: np.where(volume < -500, np.int16(-1000), np.int16(40)), "two values, -1000 and 40"),
    "3 labels": (lambda volume: labels(volume, 3), "a label map: 3 values"),
    "6 labels": (lambda volume: labels(volume, 6), "a label map: 6 values"),
    "20 labels in float32": (lambda volume: labels(volume, 20).astype(np.float32), "a label map"),
    "5 labels, padding read as air": (lambda volume: padded(labels(volume, 5), -1000), "a label map: "),
}
"""Kinds of values that are not HU, from HU, and what is said of them; a single slice tells as well as a volume."""

NOT_HU_AS_A_VOLUME: dict[str, tuple[Change, str]] = {
    "all -1000": (lambda volume: np.full_like(volume, -1000), "one value, -1000"),
    "-1024 and -1000": (lambda volume: np.where(volume < -500, np.int16(-1000), np.int16(-1024)), "two values"),
    "half of HU": (lambda volume: volume / 2.0, "scaled or shifted"),
    "a slope of 2 forgotten": (lambda volume: stored(volume) / 2 - 1024, "scaled or shifted"),
    "a slope of 10 forgotten": (lambda volume: stored(volume) / 10 - 1024, "a slope is missing"),
    "grey 0..255 with the intercept": (lambda volume: np.rint(grey(volume) * 255) - 1024, "a slope is missing"),
    "grey -128..127": (lambda volume: np.rint(grey(volume) * 255) - 128, ""),
    "a tenth of HU": (lambda volume: volume / 10.0, ""),
}
"""The same, where a single slice may be a crop, or lie outside the body."""
