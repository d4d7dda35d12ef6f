"""The operators that an OpenVINO IR may contain, and their outputs.

Operators are identified by opset and name, because a name may mean something else in another opset
(https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets.html). An IR states the shape at each
port. OpenVINO infers the shapes again, and so does this module. It excludes the same operators as for ONNX.
"""

from collections.abc import Mapping
from math import prod

import numpy as np

from miniseg_edge.admission import moves, shapes
from miniseg_edge.admission.arithmetic import (
    concatenated,
    counted,
    divided,
    elementwise,
    followed,
    followed_if_whole,
    like_first,
    unchanged,
)
from miniseg_edge.admission.call import Call, Made, Operator, made, moved
from miniseg_edge.admission.graph import MAX_SIDE, NotAdmittedError, Shape, Value


def _window(call: Call, kernel: Shape) -> shapes.Window:
    ones, zeros = (1,) * len(kernel), (0,) * len(kernel)
    auto = call.text("auto_pad", "explicit")
    return shapes.Window(
        kernel, call.wholes("strides", ones), call.wholes("dilations", ones), call.wholes("pads_begin", zeros),
        call.wholes("pads_end", zeros), "" if auto == "explicit" else auto,
    )  # fmt: skip


def _numpy(rule: Operator) -> Operator:
    """Refuses OpenVINO's other broadcasting modes."""

    def checked(call: Call) -> Made:
        if call.text("auto_broadcast", "numpy") != "numpy":
            raise NotAdmittedError("another way to broadcast than NumPy's")
        return rule(call)

    return checked


def _filters(call: Call, *, grouped: bool) -> tuple[Shape, Shape]:
    """Weights as (groups, first, second) and the kernel."""
    weights = call.shape(1) if grouped else (1, *call.shape(1))
    if len(weights) != len(call.shape(0)) + 1 or min(weights) < 1:
        raise NotAdmittedError("weights of another rank than the input")
    return weights[:3], weights[3:]


def _convolution(call: Call, *, grouped: bool = False) -> Made:
    (groups, out, channels), kernel = _filters(call, grouped=grouped)
    return shapes.convolved(call.shape(0), groups * out, (groups, channels), _window(call, kernel))


def _backwards(call: Call, *, grouped: bool = False) -> Made:
    (groups, channels, out), kernel = _filters(call, grouped=grouped)
    if call.has(2):
        raise NotAdmittedError("an output shape")
    added = call.wholes("output_padding", (0,) * len(kernel))
    return shapes.spread(call.shape(0), (groups, channels, out), _window(call, kernel), added)


def _pool(call: Call) -> Made:
    rounding = call.text("rounding_type", "floor")
    if rounding not in ("floor", "ceil", "ceil_torch"):
        raise NotAdmittedError(f"rounding {rounding[:40]!r}")
    window = _window(call, call.wholes("kernel", ()))
    inside = rounding == "ceil_torch"
    outputs = min(len(call.node.outputs), 2)
    return shapes.pooled(call.shape(), window, ceil=rounding != "floor", inside=inside, outputs=outputs)


def _matmul(call: Call) -> Made:
    a, b = call.shape(0), call.shape(1)
    if call.flag("transpose_a") and len(a) > 1:
        a = (*a[:-2], a[-1], a[-2])
    if call.flag("transpose_b") and len(b) > 1:
        b = (*b[:-2], b[-1], b[-2])
    return shapes.product(a, b)


def _in_parts(call: Call, axis: int, lengths: tuple[int, ...]) -> Made:
    parts, numbers = shapes.in_parts(call.shape(), axis, lengths), call.value(0).numbers
    if numbers is None or len(call.shape()) != 1:
        return made(*parts)
    ends = np.cumsum(lengths).tolist()
    return Made(tuple(Value((n,), numbers[end - n : end]) for n, end in zip(lengths, ends, strict=True)))


def _split(call: Call) -> Made:
    axis, count = call.number(1), call.whole("num_splits")
    side = call.shape()[shapes.axis_of(axis, len(call.shape()))]
    if not 1 <= count <= side or side % count:
        raise NotAdmittedError(f"a side of {side} in {count} parts")
    return _in_parts(call, axis, (side // count,) * count)


def _variadic_split(call: Call) -> Made:
    axis, lengths = call.number(1), list(call.numbers(2))
    side = call.shape()[shapes.axis_of(axis, len(call.shape()))]
    if lengths.count(-1) == 1:
        lengths[lengths.index(-1)] = side - sum(length for length in lengths if length != -1)
    return _in_parts(call, axis, tuple(lengths))


def _slice(call: Call) -> Made:
    starts, ends, steps = call.numbers(1), call.numbers(2), call.numbers(3)
    axes = call.numbers(4) if call.has(4) else tuple(range(len(starts)))
    return moves.cut(call, (starts, ends, axes, steps))


def _strided_slice(call: Call) -> Made:
    starts, ends = call.numbers(1), call.numbers(2)
    rank, count = len(call.shape()), len(starts)
    steps = call.numbers(3) if call.has(3) else (1,) * count
    masks = [call.wholes(name, ()) for name in ("new_axis_mask", "shrink_axis_mask", "ellipsis_mask")]
    if any(map(any, masks)) or not count == len(ends) == len(steps) <= rank:
        raise NotAdmittedError("a slice that adds or drops axes")
    free_start, free_end = (call.wholes(name, (0,) * count) for name in ("begin_mask", "end_mask"))
    everything = 2**63 - 1
    begin, end = list(starts), list(ends)
    for axis in range(count):
        if axis < len(free_start) and free_start[axis]:
            begin[axis] = 0 if steps[axis] > 0 else everything
        if axis < len(free_end) and free_end[axis]:
            end[axis] = everything if steps[axis] > 0 else -everything
    return moves.cut(call, (begin, end, range(count), steps))


def _pad(call: Call) -> Made:
    return made(shapes.framed(call.shape(), call.numbers(1), call.numbers(2)))


def _reshape(call: Call) -> Made:
    shape = shapes.reshaped(call.shape(), call.numbers(1), zero_copies=call.flag("special_zero"))
    return moves.in_shape(call, shape)


def _transpose(call: Call) -> Made:
    order = call.numbers(1) or tuple(reversed(range(len(call.shape()))))
    return moves.transposed(call, order)


def _broadcast(call: Call) -> Made:
    mode, x, target = call.text("mode", "numpy"), call.shape(), call.numbers(1)
    if mode not in ("numpy", "bidirectional") or min(target, default=0) < 0:
        raise NotAdmittedError(f"a broadcast {mode[:40]!r} to {str(target)[:80]}")
    shape = shapes.broadcast(x, target)
    if mode == "numpy" and shape != target:
        raise NotAdmittedError(f"an input {x} as {str(target)[:80]}")
    return moved(call, shape, lambda array: np.broadcast_to(array, shape))


def _tile(call: Call) -> Made:
    x, times = call.shape(), call.numbers(1)
    rank = max(len(x), len(times))
    return made(shapes.repeated((1,) * (rank - len(x)) + x, (1,) * (rank - len(times)) + times))


def _gather(call: Call) -> Made:
    if call.whole("batch_dims", 0):
        raise NotAdmittedError("batch_dims")
    return moves.gathered(call, call.number(2))


def _shape_of(call: Call) -> Made:
    x = call.shape()
    return Made((Value((len(x),), x),))


def _interpolate(call: Call) -> Made:
    """Of opset 4 with sides and scales, of opset 11 with one of them."""
    x, scaled = call.shape(), call.text("shape_calculation_mode") == "scales"
    scales_at, axes_at = (2, 3) if call.node.operator.startswith("opset4.") else (1, 2)
    axes = call.numbers(axes_at) if call.has(axes_at) else tuple(range(len(x)))
    if any(map(any, (call.wholes("pads_begin", ()), call.wholes("pads_end", ())))):
        raise NotAdmittedError("pads")
    if scaled:
        return shapes.resized(x, axes, scales=call.floats(scales_at))
    return shapes.resized(x, axes, sides=call.numbers(1))


def _depth_to_space(call: Call) -> Made:
    return made(shapes.blocks_to_sides(call.shape(), call.whole("block_size", 1)))


def _space_to_depth(call: Call) -> Made:
    return made(shapes.sides_to_blocks(call.shape(), call.whole("block_size", 1)))


def _reduce(call: Call) -> Made:
    return made(shapes.reduced(call.shape(), call.numbers(1), keep=call.flag("keep_dims")))


def _product(call: Call) -> Made:
    """Of all along the axes; of a shape, that is how many elements it has."""
    numbers, made_ = call.value(0).numbers, _reduce(call)
    if numbers is None or len(call.shape()) != 1 or prod(call.numbers(0)) > MAX_SIDE:
        return made_
    return Made((Value(made_.values[0].shape, (prod(call.numbers(0)),)),))


def _top_k(call: Call) -> Made:
    """The largest values along an axis and their indices; ArgMax is converted to this."""
    x, count = call.shape(), call.number(1)
    axis = shapes.axis_of(call.whole("axis"), len(x))
    if not 0 <= count <= x[axis]:
        raise NotAdmittedError(f"{count} of {x[axis]}")
    out = (*x[:axis], count, *x[axis + 1 :])
    return made(out, out, multiplications=64 * call.value(0).size)


def _convert(call: Call) -> Made:
    return followed_if_whole(call, whole=call.text("destination_type") in ("i32", "i64"))


_LIKE_FIRST = {
    1: ("Abs", "Ceiling", "Clamp", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "Log", "LogicalNot", "Negative",
        "NormalizeL2", "PReLU", "ReLU", "Selu", "Sigmoid", "Sign", "Sin", "SoftMax", "Sqrt", "Tanh"),
    4: ("HSwish", "Mish", "SoftPlus", "Swish"),
    5: ("BatchNormInference", "HSigmoid", "LogSoftmax", "Round"),
    6: ("MVN",),
    7: ("Gelu",),
    8: ("SoftMax",),
    9: ("SoftSign",),
    10: ("IsInf", "IsNaN"),
    12: ("GroupNormalization",),
}  # fmt: skip

_ELEMENTWISE = {
    1: ("Equal", "FakeQuantize", "FloorMod", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr",
        "LogicalXor", "Maximum", "Minimum", "Mod", "Power", "Select", "SquaredDifference"),
}  # fmt: skip

_REDUCTIONS = {
    1: ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"),
    4: ("ReduceL1", "ReduceL2"),
}


def _of(opsets: Mapping[int, tuple[str, ...]], rule: Operator) -> dict[str, Operator]:
    return {f"opset{opset}.{name}": rule for opset, names in opsets.items() for name in names}


IR_OPERATORS: dict[str, Operator] = {
    **_of(_LIKE_FIRST, like_first),
    **_of(_ELEMENTWISE, _numpy(elementwise)),
    **_of(_REDUCTIONS, _reduce),
    **_of({1: ("Add",)}, _numpy(followed(np.add))),
    **_of({1: ("Subtract",)}, _numpy(followed(np.subtract))),
    **_of({1: ("Multiply",)}, _numpy(followed(np.multiply))),
    **_of({1: ("Divide",)}, _numpy(followed(divided))),
    **_of({1: ("AvgPool", "MaxPool"), 8: ("MaxPool",), 14: ("AvgPool", "MaxPool"), 16: ("AvgPool",)}, _pool),
    **_of({1: ("Broadcast",), 3: ("Broadcast",)}, _broadcast),
    **_of({1: ("Concat",)}, concatenated),
    **_of({1: ("Convert",)}, _convert),
    **_of({1: ("Convolution",)}, _convolution),
    **_of({1: ("ConvolutionBackpropData",)}, _backwards),
    **_of({1: ("GroupConvolution",)}, lambda call: _convolution(call, grouped=True)),
    **_of({1: ("GroupConvolutionBackpropData",)}, lambda call: _backwards(call, grouped=True)),
    **_of({1: ("DepthToSpace",)}, _depth_to_space),
    **_of({1: ("SpaceToDepth",)}, _space_to_depth),
    **_of({1: ("Gather",), 7: ("Gather",), 8: ("Gather",)}, _gather),
    **_of({4: ("Interpolate",), 11: ("Interpolate",)}, _interpolate),
    **_of({16: ("Identity",)}, unchanged),
    **_of({1: ("MatMul",)}, _matmul),
    **_of({1: ("Pad",), 12: ("Pad",)}, _pad),
    **_of({4: ("Range",)}, counted),
    **_of({1: ("ReduceProd",)}, _product),
    **_of({1: ("Reshape",)}, _reshape),
    **_of({1: ("ShapeOf",), 3: ("ShapeOf",)}, _shape_of),
    **_of({8: ("Slice",)}, _slice),
    **_of({1: ("StridedSlice",)}, _strided_slice),
    **_of({1: ("Split",)}, _split),
    **_of({1: ("VariadicSplit",)}, _variadic_split),
    **_of({1: ("Squeeze",), 15: ("Squeeze",)}, moves.squeezed),
    **_of({1: ("Unsqueeze",)}, moves.unsqueezed),
    **_of({1: ("Tile",)}, _tile),
    **_of({1: ("TopK",), 3: ("TopK",), 11: ("TopK",)}, _top_k),
    **_of({1: ("Transpose",)}, _transpose),
}
"""By opset and name."""
