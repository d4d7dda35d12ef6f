"""A chain of dense convolutions with the library's own kernel: the best that this machine's multipliers reach."""

import ctypes
from ctypes import POINTER, byref, c_float, c_void_p

import numpy as np
import numpy.typing as npt

from miniseg_edge.native.binding import InstructionSet, library
from miniseg_edge.native.structures import ChainOptions, Error


class Chain:
    """Convolutions of 3x3 with stride 1 and zero padding, with the same weights in each layer; one call at a time.

    Args:
        weights: (channels, channels, 3, 3) float32, which are copied.
        size: height and width of the maps.
        layers: how many convolutions.
        threads: including the calling one.
        instruction_set: what to run on.

    Raises:
        NativeError: ARGUMENT, UNSUPPORTED, MEMORY, THREADS.
        OSError: there is no library.
    """

    def __init__(
        self,
        weights: npt.NDArray[np.float32],
        size: tuple[int, int],
        layers: int,
        threads: int = 1,
        instruction_set: InstructionSet = InstructionSet.BEST,
    ) -> None:
        self._library = library()
        self._handle = c_void_p()
        self._shape = (len(weights), *size)
        kept, error = np.ascontiguousarray(weights, np.float32), Error()
        options = ChainOptions(
            ctypes.sizeof(ChainOptions), instruction_set, threads, *self._shape, layers, _pointer(kept)
        )
        error.check(self._library.miniseg_chain_open(byref(options), byref(self._handle), byref(error)))

    def run(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(channels, H, W) float32 through all layers. Raises: NativeError, BUSY, FORKED; ValueError, the shape."""
        if values.shape != self._shape:
            raise ValueError(f"a map of shape {self._shape}, not {values.shape}")
        given, found, error = np.ascontiguousarray(values, np.float32), np.empty(self._shape, np.float32), Error()
        error.check(self._library.miniseg_chain_run(self._handle, _pointer(given), _pointer(found), byref(error)))
        return found

    def close(self) -> None:
        """Releases it. A second call does nothing."""
        handle, self._handle = self._handle, c_void_p()
        self._library.miniseg_chain_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()


def _pointer(values: npt.NDArray[np.float32]) -> "ctypes._Pointer[c_float]":
    return values.ctypes.data_as(POINTER(c_float))
