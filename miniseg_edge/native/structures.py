"""The structures of src/miniseg.h for ctypes, and arrays as they want them."""

import ctypes
from collections.abc import Mapping
from ctypes import POINTER, Structure, c_char, c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Code(IntEnum):
    """`miniseg_code`."""

    OK = 0
    ARGUMENT = 1
    PLAN = 2
    VERSION = 3
    MEMORY = 4
    THREADS = 5
    UNSUPPORTED = 6
    BUSY = 7
    CANCELLED = 8
    FORKED = 9
    INTERNAL = 10


class NativeError(Exception):
    """A call that the library refused: its code and a message."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class Error(Structure):
    """`miniseg_error`."""

    _fields_ = (("code", c_int32), ("message", c_char * 252))

    def check(self, code: int) -> None:
        """Raises: NativeError if the call that filled this returned another code than OK."""
        if code != Code.OK:
            raise NativeError(Code(code), self.message.decode(errors="replace"))


class Described(Structure):
    """`miniseg_description`."""

    _fields_ = (
        *((name, c_uint32) for name in ("struct_size", "plan_version", "values", "result", "channels", "classes")),
        *((name, c_uint32 * 4) for name in ("widths", "depths", "long_depths")),
        ("instruction_set", c_uint32),
        ("parameters", c_uint64),
    )


class Options(Structure):
    """`miniseg_context_options`."""

    _fields_ = (
        *((name, c_uint32) for name in ("struct_size", "threads", "max_height", "max_width")),
        ("max_memory", c_uint64),
    )


class Slice(Structure):
    """`miniseg_slice`."""

    _fields_ = (
        *(("struct_size", c_uint32), ("type", c_uint32), ("pixels", c_void_p), ("height", c_uint32)),
        *(("width", c_uint32), ("channel_stride", c_int64), ("row_stride", c_int64), ("pixel_stride", c_int64)),
    )


class Output(Structure):
    """`miniseg_output`."""

    _fields_ = (
        *(("struct_size", c_uint32), ("result", c_uint32), ("pixels", c_void_p)),
        *(("channel_stride", c_int64), ("row_stride", c_int64)),
    )


PROGRESS = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32, c_uint32)
"""`miniseg_progress`."""


class Volume(Structure):
    """`miniseg_volume`."""

    _fields_ = (
        *(("struct_size", c_uint32), ("slices", c_uint32), ("slice_stride", c_int64), ("output_stride", c_int64)),
        *(("progress", PROGRESS), ("user", c_void_p)),
    )


class LayerTime(Structure):
    """`miniseg_layer`."""

    _fields_ = (
        *(("name", c_char * 48), ("kind", c_char * 16), ("nanoseconds", c_uint64), ("multiplications", c_uint64)),
    )


class ProfileOfLayers(Structure):
    """`miniseg_profile`."""

    _fields_ = (
        *((name, c_uint32) for name in ("struct_size", "layer_size", "runs", "capacity")),
        *(("layers", POINTER(LayerTime)), ("count", c_uint32), ("reserved", c_uint32), ("nanoseconds", c_uint64)),
    )


class ChainOptions(Structure):
    """`miniseg_chain_options`."""

    _fields_ = (
        *((name, c_uint32) for name in ("struct_size", "instruction_set", "threads", "channels", "height", "width")),
        *(("layers", c_uint32), ("weights", POINTER(c_float))),
    )


LOGITS, MASK = 0, 1

_TYPES: Mapping[np.dtype[np.generic], int] = {
    np.dtype(np.uint8): 1,
    np.dtype(np.int16): 2,
    np.dtype(np.float32): 3,
}


def options_of(size: tuple[int, int], threads: int, max_memory: int = 0) -> Options:
    """For contexts of slices of up to `size` (height, width)."""
    return Options(ctypes.sizeof(Options), threads, *size, max_memory)


def size_of(slice_: npt.NDArray[np.generic]) -> tuple[int, int]:
    """Height and width of a slice, (H, W) or (channels, H, W). Raises: NativeError, ARGUMENT."""
    if slice_.ndim not in (2, 3):
        raise NativeError(Code.ARGUMENT, f"a slice of shape {slice_.shape}")
    height, width = slice_.shape[-2:]
    return height, width


def slice_of(slice_: npt.NDArray[np.generic], channels: int) -> Slice:
    """An array, (H, W) or (channels, H, W), which must outlive this. Raises: NativeError, ARGUMENT."""
    planes = slice_[np.newaxis] if slice_.ndim == 2 else slice_
    if planes.ndim != 3 or planes.shape[0] != channels or planes.dtype not in _TYPES:
        raise NativeError(Code.ARGUMENT, f"a slice of shape {slice_.shape} and type {slice_.dtype}")
    _, height, width = planes.shape
    return Slice(ctypes.sizeof(Slice), _TYPES[planes.dtype], planes.ctypes.data, height, width, *planes.strides)


def output_of(output: npt.NDArray[np.generic], classes: int, size: tuple[int, int]) -> Output:
    """An array for the result of a slice of that size, which must outlive this. Raises: NativeError, ARGUMENT."""
    result = MASK if output.dtype == np.uint8 else LOGITS
    maps = 1 if result == MASK else classes - 1
    fits = output.shape == (maps, *size) and output.dtype in (np.uint8, np.float32)
    if not fits or output.strides[2] != output.itemsize or not output.flags.writeable:
        raise NativeError(Code.ARGUMENT, f"a result of shape {output.shape} and type {output.dtype}")
    return Output(ctypes.sizeof(Output), result, output.ctypes.data, *output.strides[:2])
