"""Series of phantoms, each another, and what `miniseg-segment`'s code makes of them."""

import functools
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import generate_uid

from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.studies import open_study
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask, seg_sources
from tests.runtimes.node.process import associated
from tests.studies.series import header

RETRY_S = 0.1


@dataclass(frozen=True, eq=False)
class Seg:
    """What matters of a SEG."""

    uid: str
    pixels: npt.NDArray[np.uint8]

    def is_like(self, other: "Seg") -> bool:
        """The same instance with the same pixels."""
        return self.uid == other.uid and np.array_equal(self.pixels, other.pixels)


def seg_of(data: bytes) -> Seg:
    """A stored SEG."""
    found = pydicom.dcmread(io.BytesIO(data))
    return Seg(str(found.SOPInstanceUID), np.atleast_3d(found.pixel_array))


def source_series(data: bytes) -> str:
    """The UID of the series that a SEG was drawn on."""
    found = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return str(found.ReferencedSeriesSequence[0].SeriesInstanceUID)


def wanted(segmenter: Segmenter, study: Path) -> Seg:
    """What `miniseg-segment` makes of a folder."""
    opened = open_study(study)
    mask = segmenter.segment_volume_hu(opened.volume().voxels_hu).mask
    sources = seg_sources(opened.geometry, opened.origin)
    choice = segmenter.choice
    ran = f"{choice.entry.name} {choice.artifact.precision} on {choice.device}"
    return seg_of(dicom_seg_from_mask(mask, sources, segmenter.bundle.manifest.digest, ran))


@functools.cache
def pixels_of(index: int, size: int) -> bytes:
    """What a scanner stores of a large phantom; fifty different ones."""
    return (np.asarray(phantom(index, (size, size)).image, np.int16) * 7 + 24).tobytes()


def write_phantoms(
    folder: Path, count: int, base: int, announce: bool = True, size: int | None = None, **elements: Any
) -> str:
    """A series of its own in a folder: slices `base` and on of all phantoms; its UID."""
    folder.mkdir(parents=True)
    uid = generate_uid()
    for index in range(count):
        made = header(base + index)
        made.SeriesInstanceUID = uid
        if size is not None:
            made.Rows = made.Columns = size
            made.PixelData = pixels_of((base + index) % 50, size)
        if announce:
            made.NumberOfSeriesRelatedInstances = count
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        made.save_as(folder / f"{index:04d}", enforce_file_format=True)
    return str(uid)


def send_until_taken(
    port: Callable[[], int], folder: Path, is_over: Callable[[], bool], title: str = "SCANNER"
) -> None:
    """As a scanner does: what was not acknowledged is sent again, and what was is never sent again."""
    left = sorted(folder.iterdir())
    while left and not is_over():
        association = associated(port(), left, title)
        try:
            while left and association.is_established:
                answer = association.send_c_store(pydicom.dcmread(left[0]))
                if answer.get("Status") != 0:
                    break
                left.pop(0)
        except (RuntimeError, ValueError, OSError):  # the node was killed at this very moment
            pass
        if association.is_established:
            association.release()
        if left:
            time.sleep(RETRY_S)
