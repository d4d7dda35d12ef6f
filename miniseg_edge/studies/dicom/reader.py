"""Reads the slices of a DICOM volume: converts stored values to HU and turns slices upright."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from miniseg_edge.studies.dicom.file import OpenedFile, PixelLayout, open_file, stored_values
from miniseg_edge.studies.dicom.frames import ENHANCED, DicomFrame
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.study import SliceHu
from miniseg_edge.studies.turning import Turn
from miniseg_edge.studies.volume import AIR_HU, hu_from_stored


class SliceReader:
    """Reads slices by index; a multi-frame file stays open between slices.

    Thread-safety: may be called from many threads at once.
    """

    def __init__(self, frames: Sequence[DicomFrame], layouts: Mapping[SourceFile, PixelLayout], turn: Turn) -> None:
        """Takes the slices, the layouts of their files, and the turn that makes them upright."""
        self._frames = frames
        self._layouts = layouts
        self._turn = turn
        self._opened = functools.lru_cache(maxsize=1)(self._open)

    def __call__(self, index: int) -> SliceHu:
        """Slice `index`, upright. Raises: as `Study.read`."""
        frame = self._frames[index]
        with distrusted(frame.file.name):
            return self._slice(frame)

    def _slice(self, frame: DicomFrame) -> SliceHu:
        opened = self._opened(frame.file) if frame.sop_class_uid in ENHANCED else self._open(frame.file)
        values = stored_values(opened, frame.frame)
        hu, remarks = hu_from_stored(values, *frame.rescale)
        if frame.padding is not None:
            padded = (values >= frame.padding[0]) & (values <= frame.padding[1])  # type: ignore[operator]
            if padded.any():
                hu[padded] = AIR_HU
                remarks = (*remarks, f"padding read as air ({AIR_HU:g} HU)")
        if hu.min() == hu.max():
            remarks = (*remarks, "constant slice")
        return SliceHu(np.ascontiguousarray(self._turn.upright(hu)), remarks, opened.sha256)

    def _open(self, file: SourceFile) -> OpenedFile:
        return open_file(file, self._layouts[file])
