"""ONNX operators on float32 arrays with the same bits on every processor; `exact_arithmetic` says how that is done.

Values between operators are float32, as in the runtimes. Dense convolutions are exact sums, depthwise ones add their
taps in a fixed order, and the sigmoid is made of elementwise IEEE operations. Results differ from a runtime's in the
last bits, as those of two runtimes do. One slice at a time: the first axis of every map is 1.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.helper import tensor_dtype_to_np_dtype

from miniseg_edge.errors import ExportError
from miniseg_edge.export.quantization.exact.arithmetic import FACTOR_BITS, Grid, on_grid, product
from miniseg_edge.slices.preprocessing import FloatArray

Array = npt.NDArray[Any]
Attributes = Mapping[str, Any]

_BLOCK = 2**16
"""Values that a depthwise convolution processes at a time, so that they stay in a core's cache."""

_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
"""ln 2 in two parts; the first has so few bits that its products with integers up to 2^15 are exact."""

_EXP_TERMS = tuple(np.float32(1 / factor) for factor in (5040, 720, 120, 24, 6, 2, 1, 1))
"""1 / k! from k = 7 down: for |r| <= ln 2 / 2 the omitted terms are below 2^-27."""

_FURTHEST = np.float32(87)
"""exp(-87) is still a normal number in float32."""


def patches(x: Array, kernel: tuple[int, int], attributes: Attributes) -> Array:
    """(C, H, W) -> (C k k, pixels of the output): what a dense convolution multiplies its weights with."""
    (down, right), (apart, beside) = _pair(attributes, "strides"), _pair(attributes, "dilations")
    if kernel == (1, 1) and (down, right) == (1, 1) and not any(attributes.get("pads", ())):
        return x.reshape(len(x), -1)
    reach = (apart * (kernel[0] - 1) + 1, beside * (kernel[1] - 1) + 1)
    views = np.lib.stride_tricks.sliding_window_view(_padded(x, attributes), reach, axis=(1, 2))
    views = views[:, ::down, ::right, ::apart, ::beside]
    return np.ascontiguousarray(views.transpose(0, 3, 4, 1, 2)).reshape(len(x) * kernel[0] * kernel[1], -1)


def _conv(attributes: Attributes, x: Array, weight: Array, bias: Array | None = None) -> Array:
    groups = int(attributes.get("group", 1))
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    if groups > 1 and weight.shape[1] == 1:
        return _depthwise(x[0], weight, bias, attributes)[None]
    parts = zip(np.split(x[0], groups), np.split(weight, groups), np.split(bias, groups), strict=True)
    return np.concatenate([_dense(*part, attributes) for part in parts])[None]


def _dense(x: FloatArray, weight: FloatArray, bias: FloatArray, attributes: Attributes) -> FloatArray:
    kernel = (weight.shape[2], weight.shape[3])
    grid = on_grid(x, FACTOR_BITS)
    read = Grid(patches(grid.integers, kernel, attributes), grid.step)
    out = product(weight.reshape(len(weight), -1), read)
    out += bias[:, None]
    return out.reshape(len(weight), *_output_size(x, kernel, attributes))


def _depthwise(x: FloatArray, weight: FloatArray, bias: FloatArray, attributes: Attributes) -> FloatArray:
    (down, right), (apart, beside) = _pair(attributes, "strides"), _pair(attributes, "dilations")
    height, width = _output_size(x, (weight.shape[2], weight.shape[3]), attributes)
    copies = len(weight) // len(x)
    source = _padded(x, attributes) if copies == 1 else np.repeat(_padded(x, attributes), copies, axis=0)
    out = np.empty((len(weight), height, width), np.float32)
    channels = max(1, _BLOCK // (height * width))
    for first in range(0, len(weight), channels):
        part = slice(first, first + channels)
        total, term = out[part], np.empty_like(out[part])
        total[:] = bias[part, None, None]
        for i, j in np.ndindex(weight.shape[2], weight.shape[3]):
            rows = slice(i * apart, i * apart + down * (height - 1) + 1, down)
            columns = slice(j * beside, j * beside + right * (width - 1) + 1, right)
            np.multiply(source[part, rows, columns], weight[part, 0, i, j, None, None], out=term)
            total += term
    return out


def _conv_transpose(attributes: Attributes, x: Array, weight: Array, bias: Array | None = None) -> Array:
    channels, height, width = x.shape[1:]
    kernel, (down, right) = (weight.shape[2], weight.shape[3]), _pair(attributes, "strides")
    plain = _pair(attributes, "dilations") == (1, 1) and not any(attributes.get("output_padding", ()))
    if attributes.get("group", 1) != channels or weight.shape[1] != 1 or not plain:
        raise _unsupported("ConvTranspose", "other than depthwise, undilated and without output padding")
    out = np.zeros((channels, down * (height - 1) + kernel[0], right * (width - 1) + kernel[1]), np.float32)
    for i, j in np.ndindex(kernel):
        reached = out[:, i : i + down * (height - 1) + 1 : down, j : j + right * (width - 1) + 1 : right]
        reached += x[0] * weight[:, 0, i, j, None, None]
    top, left, bottom, end = attributes.get("pads", (0, 0, 0, 0))
    out = out[:, top : out.shape[1] - bottom, left : out.shape[2] - end]
    return (out if bias is None else out + bias[:, None, None])[None]


def _output_size(x: Array, kernel: tuple[int, int], attributes: Attributes) -> tuple[int, int]:
    pads, dilations, strides = (
        attributes.get("pads", (0,) * 4),
        *(_pair(attributes, n) for n in ("dilations", "strides")),
    )
    height, width = (
        (x.shape[1 + axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis]
        + 1
        for axis in range(2)
    )
    return height, width


def _padded(x: Array, attributes: Attributes) -> Array:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return np.pad(x, ((0, 0), (top, bottom), (left, right))) if any((top, left, bottom, right)) else x


def _pair(attributes: Attributes, name: str) -> tuple[int, int]:
    first, second = attributes.get(name, (1, 1))
    return int(first), int(second)


def _sigmoid(_: Attributes, x: Array) -> Array:
    """1 / (1 + e), or e / (1 + e) below 0, with e = exp(-|x|)."""
    e = _exp(-np.minimum(np.abs(x), _FURTHEST))
    return np.asarray(np.where(x < 0, e, np.float32(1)) / (np.float32(1) + e))


def _exp(x: FloatArray) -> FloatArray:
    """exp(x) = 2^k exp(r) with r = x - k ln 2, by its series; x in -87..0. NumPy's own differs between processors."""
    k = np.rint(x * _LOG2_E)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.full_like(r, _EXP_TERMS[0])
    for term in _EXP_TERMS[1:]:
        series *= r
        series += term
    return np.asarray(series * ((k.astype(np.int32) + 127) << 23).view(np.float32))


def _prelu(_: Attributes, x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)


def _quantize(attributes: Attributes, x: Array, scale: Array, zero: Array) -> Array:
    ends = np.iinfo(zero.dtype)
    scale, zero = _along(attributes, scale, x), _along(attributes, zero, x)
    return np.asarray(np.clip(np.rint(x / scale) + zero.astype(np.float32), ends.min, ends.max), zero.dtype)


def _dequantize(attributes: Attributes, x: Array, scale: Array, zero: Array) -> Array:
    scale, zero = _along(attributes, scale, x), _along(attributes, zero, x)
    return (x.astype(np.float32) - zero.astype(np.float32)) * scale


def _along(attributes: Attributes, values: Array, x: Array) -> Array:
    """One value, or one for each entry of the axis."""
    return (
        values
        if values.ndim == 0
        else values.reshape([-1 if a == attributes.get("axis", 1) else 1 for a in range(x.ndim)])
    )


def _concat(attributes: Attributes, *parts: Array) -> Array:
    return np.concatenate(parts, axis=attributes["axis"])


def _split(attributes: Attributes, x: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    axis, count = attributes.get("axis", 0), attributes.get("num_outputs", 1)
    if sizes is None:
        side = -(-x.shape[axis] // count)
        sizes = np.array([side] * (count - 1) + [x.shape[axis] - side * (count - 1)])
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _pad(attributes: Attributes, x: Array, pads: Array, value: Array | None = None, axes: Array | None = None) -> Array:
    mode = attributes.get("mode", b"constant")
    if axes is not None or mode not in (b"constant", b"edge"):
        raise _unsupported("Pad", f"with mode {mode!r} or axes")
    width = pads.reshape(2, -1).T
    if mode == b"edge":
        return np.pad(x, width, mode="edge")
    return np.pad(x, width, constant_values=0 if value is None else value.item())


def _reshape(_: Attributes, x: Array, shape: Array) -> Array:
    return x.reshape([x.shape[axis] if side == 0 else int(side) for axis, side in enumerate(shape)])


def _transpose(attributes: Attributes, x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(attributes["perm"]))


def _depth_to_space(attributes: Attributes, x: Array) -> Array:
    block, (_, channels, height, width) = attributes["blocksize"], x.shape
    channels //= block * block
    if attributes.get("mode", b"DCR") == b"CRD":
        moved = x.reshape(1, channels, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        moved = x.reshape(1, block, block, channels, height, width).transpose(0, 3, 4, 1, 5, 2)
    return moved.reshape(1, channels, height * block, width * block)


def _resize(
    attributes: Attributes, x: Array, _: Array | None, scales: Array | None, sizes: Array | None = None
) -> Array:
    mode, centres = attributes.get("mode"), attributes.get("coordinate_transformation_mode", b"half_pixel")
    if mode != b"linear" or centres != b"half_pixel" or attributes.get("antialias", 0):
        raise _unsupported("Resize", f"of mode {mode!r} with {centres!r}")
    wanted = sizes if sizes is not None and sizes.size else np.floor(np.array(x.shape) * scales).astype(np.int64)
    return bilinear(x, (int(wanted[2]), int(wanted[3])))


def bilinear(x: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(1, C, H, W) -> (1, C, *size): like torch's `interpolate` without aligned corners and OpenCV's `resize`."""
    for axis, side in zip((2, 3), size, strict=True):
        x = x if x.shape[axis] == side else _resized(x, axis, side)
    return x


def _resized(x: Array, axis: int, side: int) -> Array:
    before = x.shape[axis]
    place = np.clip((np.arange(side) + 0.5) * (before / side) - 0.5, 0, before - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, before - 1)
    share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray(x.take(low, axis) * (1 - share) + x.take(high, axis) * share)


def _cast(attributes: Attributes, x: Array) -> Array:
    return x.astype(tensor_dtype_to_np_dtype(attributes["to"]))


def _clip(_: Attributes, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _arg_max(attributes: Attributes, x: Array) -> Array:
    return np.asarray(np.argmax(x, axis=attributes["axis"], keepdims=bool(attributes.get("keepdims", 1))))


def _reduced(by: Callable[..., Any]) -> Callable[..., Array]:
    def reduce(attributes: Attributes, x: Array, axes: Array | None = None) -> Array:
        over = None if axes is None else tuple(int(axis) for axis in axes)
        return np.asarray(by(x, axis=over, keepdims=bool(attributes.get("keepdims", 1))))

    return reduce


def _elementwise(by: Callable[..., Any]) -> Callable[..., Array]:
    return lambda _, *values: np.asarray(by(*values))


def _unsupported(kind: str, what: str) -> ExportError:
    return ExportError(
        "observing this graph would not be reproducible",
        expected=f"{kind} as MiniSeg's graphs have it",
        got=what,
    )


OPERATORS: Mapping[str, Callable[..., Array | tuple[Array, ...]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Sigmoid": _sigmoid,
    "PRelu": _prelu,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "Resize": _resize,
    "Concat": _concat,
    "Split": _split,
    "Pad": _pad,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "DepthToSpace": _depth_to_space,
    "Cast": _cast,
    "Clip": _clip,
    "ArgMax": _arg_max,
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Max": _elementwise(np.maximum),
    "Abs": _elementwise(np.abs),
    "Greater": _elementwise(np.greater),
    "LessOrEqual": _elementwise(np.less_equal),
    "Where": _elementwise(np.where),
}
"""By ONNX name. Each takes the node's attributes and its inputs, None for an omitted one."""
