"""The calibration slices: identified by hash, disjoint from validation, in a canonical order."""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.export.quantization.exact.operators import bilinear
from miniseg_edge.host.files import sha256_of
from miniseg_edge.plurals import listed
from miniseg_edge.slices.images import image_paths, slice_from_file
from miniseg_edge.slices.preprocessing import GREY_MAX, ByteArray, FloatArray, network_input
from miniseg_edge.tensors import HU

FEW_SLICES = 16
"""Below this number, the result depends on the particular slices."""

HELD_BACK = 4
"""Every fourth slice is held out for judging if there are no validation slices."""

MAX_SLICES = 64
"""More make no relevant difference; beyond, the seed selects."""


@dataclass(frozen=True, eq=False)
class CalibrationSlice:
    """A slice identified by its content.

    Attributes:
        sha256: of its size and values, in hex: independent of the file's compression.
        pixels: (H, W) uint8 grey, or (H, W, C).
    """

    sha256: str
    pixels: ByteArray


def pixels_sha256(pixels: ByteArray) -> str:
    """SHA-256 in hex of a slice's size and values; uint8 of any shape."""
    shape = np.array(pixels.shape, "<u4").tobytes()
    return sha256_of(shape + np.ascontiguousarray(pixels).tobytes())


def calibration_set(folder: Path, channels: int, seed: int) -> tuple[CalibrationSlice, ...]:
    """The slices of a folder without duplicates, sorted by hash, so that names and order have no influence.

    Args:
        folder: PNG or JPEG, 8 bits.
        channels: number of channels of the graph.
        seed: selects `MAX_SLICES` if there are more.

    Raises:
        NoImagesError, UnsupportedFormatError: the folder is empty, or a file is unreadable.
    """
    found: dict[str, ByteArray] = {}
    for path in terminal.track(image_paths(folder), "reading the calibration slices"):
        pixels = slice_from_file(path, channels)
        found[pixels_sha256(pixels)] = pixels
    if len(found) < FEW_SLICES:
        terminal.warn(
            f"{len(found)} different calibration slices are few: with {FEW_SLICES} or more, another choice of slices "
            "would give much the same artefact"
        )
    kept = sorted(found)
    if len(kept) > MAX_SLICES:
        terminal.say(f"{MAX_SLICES} of {len(kept)} calibration slices are used, drawn with seed {seed}")
        kept = sorted(random.Random(seed).sample(kept, MAX_SLICES))  # noqa: S311  no secret
    return tuple(CalibrationSlice(digest, found[digest]) for digest in kept)


def held_back(
    calibration: tuple[CalibrationSlice, ...],
) -> tuple[tuple[CalibrationSlice, ...], tuple[CalibrationSlice, ...]]:
    """Splits off a quarter of the slices for judging if nothing else was given; chosen by hash."""
    held = calibration[::HELD_BACK]
    return held, tuple(item for item in calibration if item not in held)


def check_apart(calibration: Collection[CalibrationSlice], validation: Iterable[tuple[str, ByteArray]]) -> None:
    """Refuses slices that are in both sets. Raises: UsageError, with the validation slices' names."""
    known = {item.sha256 for item in calibration}
    shared = [name for name, pixels in validation if pixels_sha256(pixels) in known]
    if shared:
        raise UsageError(
            "calibration and validation share slices",
            expected="two sets without a common slice",
            got=listed(shared),
            remedy="An artefact must not be judged on its calibration slices. Remove them from one of the folders.",
        )


def network_inputs(calibration: Iterable[CalibrationSlice], manifest: Manifest) -> tuple[FloatArray, ...]:
    """The graph's input for each slice: (1, C, H, W) float32, grey 0..255 or HU, depending on its interface.

    Resized as in use, but with the same bits on every machine; OpenCV's differ in the last bits.
    """
    window, size = manifest.preprocessing.window, manifest.preprocessing.size
    to_hu = window.hu_from_grey if manifest.interface.values == HU and window is not None else None
    grey = (item.pixels.astype(np.float32) for item in calibration)
    each = (values if to_hu is None else to_hu(values) for values in grey)
    return tuple(bilinear(network_input(values, values.shape[:2]), size) for values in each)


def one_level_off(calibration: Iterable[CalibrationSlice]) -> tuple[CalibrationSlice, ...]:
    """The same slices with each pixel randomly one grey level brighter or darker, within 0..255."""
    return tuple(replace(item, pixels=_one_level_off(item.pixels)) for item in calibration)


def _one_level_off(pixels: ByteArray) -> ByteArray:
    """Python's generator is used: it is the same in every version, which NumPy does not promise for its own."""
    bits = random.Random(0).randbytes(-(-pixels.size // 8))  # noqa: S311  no secret
    signs = 2 * np.unpackbits(np.frombuffer(bits, np.uint8))[: pixels.size].astype(np.int16) - 1
    return np.asarray(np.clip(pixels + signs.reshape(pixels.shape), 0, GREY_MAX), np.uint8)
