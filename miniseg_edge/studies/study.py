"""A study that was opened: everything is known about it but its pixels, which are read slice by slice."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from miniseg_edge.host.limits import host_limits
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.studies.volume import Geometry, Origin, Volume, hu_in_range

Progress = Callable[[int, int], None]
"""Called with (slices done, slices in all)."""


@dataclass(frozen=True, eq=False)
class SliceHu:
    """A slice that was read.

    Attributes:
        voxels_hu: (H, W) float32, HU, finite; the caller's own.
        remarks: about this slice.
        sha256: of the bytes that it was read from, in hex.
    """

    voxels_hu: FloatArray
    remarks: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, eq=False)
class Study:
    """One volume's worth of slices, in order, not yet read.

    Attributes:
        geometry, origin: as the `Volume` will have them.
        size: (H, W) of each slice.
        remarks: what opening it found.

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
            UnsupportedFormatError: truncated or corrupt; its subclasses TransferSyntaxError: nothing here decodes it.
            InputError: not finite, or changed since the study was opened.
            HostMemoryError: it does not fit into memory.
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
    """The study with other values: slope x value + intercept."""

    def read(index: int) -> SliceHu:
        one = study.read(index)
        hu, remarks = hu_in_range(one.voxels_hu.astype(np.float64) * slope + intercept)
        return SliceHu(hu, (*one.remarks, *remarks), one.sha256)

    return replace(study, _read=read)


def summarized(remarks: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Each slice's remarks -> each remark once, with the number of slices that it is about."""
    counted = Counter(remark for one in remarks for remark in one)
    return tuple(f"{remark} ({count} {'slice' if count == 1 else 'slices'})" for remark, count in counted.items())


def digest_of(hashes: Iterable[str]) -> str:
    """SHA-256 over the slices' hashes, in order: the identity of what was read."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
