"""Memory that ends, or begins, at a page that must not be touched; and rows of maps in it, poisoned.

A read or write beyond is a crash. What may be read but must not be used is NaN; what may not be written is a mark.
"""

import ctypes
import mmap
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.native.kernels.table import HALO, TILE, Floats

MARK = float(np.float32(-12345.678))
_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def padded(width: int) -> int:
    return -(-width // TILE) * TILE


class Memory:
    """Arrays between two forbidden pages.

    Args:
        behind: whether the page behind is adjacent to their last byte; else the one before is to their first.
    """

    def __init__(self, behind: bool) -> None:
        self._behind = behind
        self._kept: list[npt.NDArray[np.uint8]] = []

    def bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """(count,) uint8 zeros."""
        pages = max(1, -(-count // _PAGE))
        block = mmap.mmap(-1, (pages + 2) * _PAGE)
        whole = np.frombuffer(block, np.uint8)
        last = whole.ctypes.data + (pages + 1) * _PAGE
        for page in (whole.ctypes.data, last):
            if _libc.mprotect(page, _PAGE, _NO_ACCESS) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")
        first = (pages + 1) * _PAGE - count if self._behind else _PAGE
        array = whole[first : first + count]
        self._kept.append(array)
        return array

    def array(self, values: npt.NDArray[np.generic]) -> int:
        """A copy's address."""
        flat = np.ascontiguousarray(values)
        to = self.bytes(flat.nbytes)
        to[:] = flat.view(np.uint8).ravel() if flat.size else 0
        return to.ctypes.data

    def filled(self, count: int, value: float) -> Floats:
        """(count,) float32."""
        array = self.bytes(4 * count).view(np.float32)
        array[:] = value
        return array

    def addresses(self, addresses: list[int]) -> int:
        """Of an array of pointers."""
        return self.array(np.array(addresses, np.uintp))


@dataclass(frozen=True)
class Format:
    """How a row is stored: where each column of each channel lies, in floats from the row's first.

    Attributes:
        channels, width: of the map.
        split: even columns first, odd ones behind.
    """

    channels: int
    width: int
    split: bool = False

    @property
    def half(self) -> int:
        """Columns that kernels write at a time: all, or those of one half."""
        return padded((self.width + 1) // 2) if self.split else padded(self.width)

    @property
    def odd(self) -> int:
        return self.half + HALO if self.split else 0

    @property
    def stride(self) -> int:
        return self.odd + self.half + HALO + (HALO if self.split else 0)

    @property
    def floats(self) -> int:
        """From the first to the last that is written."""
        return int(self.written().max()) + 1

    def places(self, before: int = 0, behind: int = 0) -> npt.NDArray[np.int64]:
        """(channels, before + width + behind), of the columns and of some around them."""
        columns = np.arange(-before, self.width + behind)
        found = np.where(columns % 2 == 0, columns // 2, self.odd + (columns - 1) // 2) if self.split else columns
        return np.arange(self.channels)[:, np.newaxis] * self.stride + found

    def written(self) -> npt.NDArray[np.int64]:
        """(channels, n): where kernels write."""
        half = np.arange(self.half)
        found = np.concatenate([half, self.odd + half]) if self.split else half
        return np.arange(self.channels)[:, np.newaxis] * self.stride + found


def read_row(memory: Memory, values: Floats, *, split: bool = False, reach: int = 0) -> int:
    """The address of a row that a kernel reads.

    Zeros lie `reach` columns around (channels, width) values; everything else is NaN. Without reach, no halo is around.
    """
    form = Format(values.shape[0], values.shape[1], split)
    halo = HALO if reach else 0
    row = memory.filled(halo + form.floats + halo, np.nan)
    inner = row[halo:]
    row[halo + form.places(reach, reach)] = 0
    inner[form.places()] = values
    return inner.ctypes.data


@dataclass(frozen=True, eq=False)
class WrittenRow:
    """A row that a kernel writes: marks between channels, and values where they are given."""

    form: Format
    floats: Floats

    @property
    def address(self) -> int:
        return self.floats.ctypes.data

    def values(self) -> Floats:
        """(channels, width), after a check that no mark was overwritten."""
        outside = np.ones(self.floats.size, bool)
        outside[self.form.written()] = False
        assert (self.floats[outside] == MARK).all(), "written between channels"
        found: Floats = self.floats[self.form.places()]
        return found


def written_row(memory: Memory, form: Format, values: Floats | None = None) -> WrittenRow:
    """One that is exactly as large as kernels may write; its columns are NaN where no values are given."""
    row = memory.filled(form.floats, MARK)
    row[form.written()] = np.nan
    if values is not None:
        row[form.places()] = values
    return WrittenRow(form, row)
