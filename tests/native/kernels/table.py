"""The kernels as src/kernels.h and parts.cpp declare them, for ctypes."""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_float, c_int, c_ssize_t, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.native.kernels.child import now

TILE, HALO, BRANCHES, SEGMENT = 32, 16, 4, 128

Floats = npt.NDArray[np.float32]


class Blocks(Structure):
    _fields_ = (("values", c_void_p), ("outputs", c_int), ("inputs", c_int))


class Residual(Structure):
    _fields_ = (*((name, c_void_p) for name in ("output", "base", "minus")), ("stride", c_ssize_t))


class PointwiseRow(Structure):
    _fields_ = (
        *(("inputs", c_void_p * 2), ("channels", c_int * 2), ("input_stride", c_ssize_t), ("weights", Blocks)),
        *(("slopes", c_void_p), ("output", c_void_p), ("output_stride", c_ssize_t), ("odd", c_int), ("width", c_int)),
    )


class DenseRow(Structure):
    _fields_ = (
        *(("rows", c_void_p), ("channels", c_int), ("input_stride", c_ssize_t), ("odd", c_int), ("weights", Blocks)),
        *(("slopes", c_void_p), ("to", Residual), ("width", c_int)),
    )


class DepthwiseRows(Structure):
    _fields_ = (
        *(("rows", c_void_p), ("input_stride", c_ssize_t), ("odd", c_int), ("channels", c_int)),
        *((name, c_void_p) for name in ("weights", "bias", "slopes")),
        *(("count", c_int), ("stride", c_ssize_t)),
        *((name, c_void_p) for name in ("start", "output", "carried", "total", "base")),
        ("width", c_int),
    )


class PyramidRow(Structure):
    _fields_ = (
        *(("rows", c_void_p * 9), ("input_stride", c_ssize_t), ("odd", c_int), ("channels", c_int)),
        *(("taps", c_void_p), ("attention", c_void_p), ("fuse", Blocks * BRANCHES), ("shift", c_void_p)),
        *(("slopes", c_void_p), ("scratch", c_void_p), ("to", Residual), ("width", c_int)),
    )


class UpsampledRow(Structure):
    _fields_ = (
        *(("rows", c_void_p * 2), ("weights", c_float * 2), ("input_stride", c_ssize_t), ("channels", c_int)),
        *(("columns", c_void_p * 5), ("scratch", c_void_p), ("output", c_void_p), ("output_stride", c_ssize_t)),
        ("width", c_int),
    )


class PreparedRow(Structure):
    _fields_ = (
        *(("pixels", c_void_p), ("pixel_stride", c_ssize_t), ("type", c_int)),
        *((name, c_float) for name in ("low", "high", "factor", "offset")),
        *(("output", c_void_p), ("odd", c_int), ("width", c_int)),
    )


class MaskRow(Structure):
    _fields_ = (
        *(("logits", c_void_p), ("stride", c_ssize_t), ("maps", c_int), ("output", c_void_p), ("width", c_int)),
    )


_KERNELS = (
    *(("pointwise", PointwiseRow), ("dense3", DenseRow), ("dense3_stride2", DenseRow), ("dense5_stride2", DenseRow)),
    *(("depthwise", DepthwiseRows), ("depthwise_stride2", DepthwiseRows), ("fusion", DepthwiseRows)),
    *(("pyramid", PyramidRow), ("pyramid_stride2", PyramidRow), ("upsample", UpsampledRow)),
    *(("prepare", PreparedRow), ("mask", MaskRow)),
)


class _Kernels(Structure):
    _fields_ = (
        *(("block_outputs", c_int), ("depthwise_rows", c_int)),
        *((name, CFUNCTYPE(None, POINTER(row))) for name, row in _KERNELS),
    )


class _Parts(Structure):
    _fields_ = (
        *(("kernels", POINTER(_Kernels)), ("lanes", c_int)),
        *((name, CFUNCTYPE(None, c_int, c_void_p, c_void_p)) for name in ("exponentials", "gates")),
        ("prelus", CFUNCTYPE(None, c_int, c_void_p, c_void_p, c_void_p)),
        ("multiply_adds", CFUNCTYPE(None, c_int, c_void_p, c_void_p, c_void_p, c_void_p)),
        ("shuffles", CFUNCTYPE(None, c_void_p, c_void_p)),
    )


class Set:
    """The kernels of one instruction set."""

    def __init__(self, name: str, library: ctypes.CDLL) -> None:
        self.name = name
        self._parts = _Parts.in_dll(library, f"parts_{name}")
        self._kernels = self._parts.kernels.contents
        self.lanes: int = self._parts.lanes
        self.depthwise_rows: int = self._kernels.depthwise_rows

    def call(self, kernel: str, **arguments: Any) -> None:
        """A kernel, by the fields of its arguments."""
        now(f"{self.name} {kernel} {arguments}")
        getattr(self._kernels, kernel)(dict(_KERNELS)[kernel](**arguments))

    def part(self, name: str, *arrays: Floats) -> Floats:
        """A part, value by value."""
        count = arrays[0].size
        padding = -count % self.lanes
        given = [np.pad(array, (0, padding)).astype(np.float32) for array in arrays]
        to = np.empty(count + padding, np.float32)
        getattr(self._parts, name)(to.size, *(array.ctypes.data for array in given), to.ctypes.data)
        return to[:count]

    def shuffles(self, two: Floats) -> Floats:
        """(2 lanes,) -> (8, lanes); the last row is not written where lanes are fewer than 8."""
        to = np.zeros((8, self.lanes), np.float32)
        self._parts.shuffles(two.ctypes.data, to.ctypes.data)
        return to

    def packed(self, weights: Floats, bias: Floats | None) -> Floats:
        """Weights (outputs, inputs) in blocks, as `Blocks` wants them."""
        largest: int = self._kernels.block_outputs
        parts = np.array_split(np.arange(len(weights)), -(-len(weights) // largest))
        biases = np.zeros(len(weights), np.float32) if bias is None else bias
        return np.concatenate([np.concatenate([biases[part], weights[part].T.ravel()]) for part in parts])
