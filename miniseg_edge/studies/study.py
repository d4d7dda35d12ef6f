"""An opened study: everything is known except its pixels, which are read slice by slice."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from miniseg_edge.host.limits import host_limits
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.studies.volume import Geometry, Origin, Volume, hu_in_range

Progress = Callable[[int, int], None]
"""Called with (slices done, total)."""


@dataclass(frozen=True, eq=False)
class SliceHu:
    """A slice that was read.

    Attributes:
        voxels_hu: (H, W) float32, HU, finite; owned by the caller.
        remarks: about this slice.
        sha256: of the bytes it was read from, in hex.
    """

    voxels_hu: FloatArray
    remarks: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, eq=False)
class Study:
    """The slices of one volume, in order, not read yet.

    Attributes:
        geometry, origin: those of the future `Volume`.
        size: (H, W) of each slice.
        remarks: from opening it.

    Thread-safety: `read` may be called from many threads at once.
    """

    geometry: Geometry
    origin: Origin
    size: tuple[int, int]
    remarks: tuple[str, ...]
    _read: Callable[[int], SliceHu] = field(repr=False)

    def __len__(self) -> int:
        return len(self.geometry.positions_mm)

    @host_limits()
    def read(self, index: int) -> SliceHu:
        """Reads and decodes one slice.

        Args:
            index: 0..len - 1, in the geometry's order.

        Raises:
            UnsupportedFormatError: truncated or corrupt; TransferSyntaxError: no installed decoder supports it.
            InputError: not finite, or changed since the study was opened.
            HostMemoryError: the slice does not fit into memory.
        """
        return self._read(index)

    @host_limits()
    def volume(self, progress: Progress | None = None) -> Volume:
        """Reads all slices. Raises: as `read`."""
        voxels = np.empty((len(self), *self.size), np.float32)
        remarks, hashes = [], []
        for index in range(len(self)):
            one = self.read(index)
            voxels[index] = one.voxels_hu
            remarks.append(one.remarks)
            hashes.append(one.sha256)
            if progress is not None:
                progress(index + 1, len(self))
        return Volume(voxels, self.geometry, self.origin, (*self.remarks, *summarized(remarks)), digest_of(hashes))


def rescaled(study: Study, slope: float, intercept: float) -> Study:
    """The study with rescaled values: slope x value + intercept."""

    def read(index: int) -> SliceHu:
        one = study.read(index)
        hu, remarks = hu_in_range(one.voxels_hu.astype(np.float64) * slope + intercept)
        return SliceHu(hu, (*one.remarks, *remarks), one.sha256)

    return replace(study, _read=read)


def summarized(remarks: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Each slice's remarks -> each remark once, with the number of slices concerned."""
    counted = Counter(remark for one in remarks for remark in one)
    return tuple(f"{remark} ({count} {'slice' if count == 1 else 'slices'})" for remark, count in counted.items())


def digest_of(hashes: Iterable[str]) -> str:
    """SHA-256 over the slices' hashes, in order: identifies the input."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
