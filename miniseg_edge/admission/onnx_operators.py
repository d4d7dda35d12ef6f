"""The operators that an ONNX file may contain, and their outputs (https://onnx.ai/onnx/operators/, opset 20).

Excluded because their cost is unknown before they run: control flow, sequences, and operators whose output shape
depends on data. ConstantOfShape is excluded because our networks do not need it.
"""

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
from miniseg_edge.admission.graph import NotAdmittedError, Shape, Value

_WHOLE_TYPES = (6, 7)
"""int32 and int64 of TensorProto.DataType."""


def _window(call: Call, kernel: Shape) -> shapes.Window:
    sides = len(kernel)
    pads = call.wholes("pads", (0,) * 2 * sides)
    auto = call.text("auto_pad", "notset")
    if call.wholes("kernel_shape", kernel) != kernel or len(pads) != 2 * sides:
        raise NotAdmittedError("a kernel or pads of another shape than the weights")
    ones = (1,) * sides
    return shapes.Window(
        kernel, call.wholes("strides", ones), call.wholes("dilations", ones), pads[:sides], pads[sides:],
        "" if auto == "notset" else auto,
    )  # fmt: skip


def _conv(call: Call) -> Made:
    x, weights = call.shape(0), call.shape(1)
    if len(weights) != len(x):
        raise NotAdmittedError("weights of another rank than the input")
    return shapes.convolved(x, weights[0], (call.whole("group", 1), weights[1]), _window(call, weights[2:]))


def _conv_transpose(call: Call) -> Made:
    x, weights, groups = call.shape(0), call.shape(1), call.whole("group", 1)
    if len(weights) != len(x) or groups < 1 or weights[0] % groups or call.attribute("output_shape") is not None:
        raise NotAdmittedError("weights that do not fit the input, or an output_shape")
    filters = (groups, weights[0] // groups, weights[1])
    added = call.wholes("output_padding", (0,) * (len(x) - 2))
    return shapes.spread(x, filters, _window(call, weights[2:]), added)


def _pool(call: Call) -> Made:
    window = _window(call, call.wholes("kernel_shape", ()))
    outputs = len(call.node.outputs)
    return shapes.pooled(call.shape(), window, ceil=call.whole("ceil_mode", 0) != 0, outputs=min(outputs, 2))


def _global_pool(call: Call) -> Made:
    x = call.shape()
    return made((*x[:2], *(1 for _ in x[2:])))


def _matmul(call: Call) -> Made:
    return shapes.product(call.shape(0), call.shape(1))


def _gemm(call: Call) -> Made:
    a, b = call.shape(0), call.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise NotAdmittedError("matrices of another rank")
    return shapes.product(a[::-1] if call.whole("transA", 0) else a, b[::-1] if call.whole("transB", 0) else b)


def _split(call: Call) -> Made:
    x, axis, count = call.shape(), call.whole("axis", 0), len(call.node.outputs)
    if call.has(1):
        return made(*shapes.in_parts(x, axis, call.numbers(1)))
    side = x[shapes.axis_of(axis, len(x))]
    part = -(-side // count)
    if call.whole("num_outputs", count) != count or side - part * (count - 1) < 0:
        raise NotAdmittedError(f"a side of {side} in {count} parts")
    return made(*shapes.in_parts(x, axis, [part] * (count - 1) + [side - part * (count - 1)]))


def _slice(call: Call) -> Made:
    starts, ends = call.numbers(1), call.numbers(2)
    axes = call.numbers(3) if call.has(3) else tuple(range(len(starts)))
    steps = call.numbers(4) if call.has(4) else (1,) * len(starts)
    return moves.cut(call, (starts, ends, axes, steps))


def _pad(call: Call) -> Made:
    x, pads = call.shape(), call.numbers(1)
    axes = shapes.axes_of(call.numbers(3), len(x)) if call.has(3) else tuple(range(len(x)))
    if len(pads) != 2 * len(axes):
        raise NotAdmittedError("pads of another rank")
    begin, end = [0] * len(x), [0] * len(x)
    for place, axis in enumerate(axes):
        begin[axis], end[axis] = pads[place], pads[len(axes) + place]
    return made(shapes.framed(x, begin, end))


def _reshape(call: Call) -> Made:
    shape = shapes.reshaped(call.shape(), call.numbers(1), zero_copies=not call.whole("allowzero", 0))
    return moves.in_shape(call, shape)


def _flatten(call: Call) -> Made:
    x, axis = call.shape(), call.whole("axis", 1)
    at = axis + len(x) if axis < 0 else axis
    if not 0 <= at <= len(x):
        raise NotAdmittedError(f"axis {axis} of {len(x)}")
    return made((prod(x[:at]), prod(x[at:])))


def _transpose(call: Call) -> Made:
    order = call.wholes("perm", tuple(reversed(range(len(call.shape())))))
    return moves.transposed(call, order)


def _expand(call: Call) -> Made:
    shape = shapes.broadcast(call.shape(), call.numbers(1))
    return moved(call, shape, lambda array: np.broadcast_to(array, shape))


def _tile(call: Call) -> Made:
    return made(shapes.repeated(call.shape(), call.numbers(1)))


def _gather(call: Call) -> Made:
    return moves.gathered(call, call.whole("axis", 0))


def _shape(call: Call) -> Made:
    x = call.shape()
    found = x[slice(call.whole("start", 0), call.whole("end", len(x)))]
    return Made((Value((len(found),), found),))


def _resize(call: Call) -> Made:
    x = call.shape()
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NotAdmittedError("an aspect ratio to keep")
    axes = call.wholes("axes", tuple(range(len(x))))
    if call.has(3):
        return shapes.resized(x, axes, sides=call.numbers(3))
    return shapes.resized(x, axes, scales=call.floats(2))


def _depth_to_space(call: Call) -> Made:
    return made(shapes.blocks_to_sides(call.shape(), call.whole("blocksize")))


def _space_to_depth(call: Call) -> Made:
    return made(shapes.sides_to_blocks(call.shape(), call.whole("blocksize")))


def _reduce(call: Call) -> Made:
    x = call.shape()
    axes = call.numbers(1) if call.has(1) else call.wholes("axes", ())
    if not axes:
        axes = () if call.whole("noop_with_empty_axes", 0) else tuple(range(len(x)))
    return made(shapes.reduced(x, axes, keep=call.whole("keepdims", 1) != 0))


def _arg(call: Call) -> Made:
    return made(shapes.reduced(call.shape(), (call.whole("axis", 0),), keep=call.whole("keepdims", 1) != 0))


def _constant(call: Call) -> Made:
    given = call.node.attributes
    found = next(iter(given.values()), None)
    if len(given) != 1 or found is None or isinstance(found, str):
        raise NotAdmittedError("a constant that is not numeric")
    if isinstance(found, Value):
        return Made((found,))
    if isinstance(found, tuple):
        return Made((Value((len(found),), found),))
    return Made((Value((), (found,)),))


def _cast(call: Call) -> Made:
    return followed_if_whole(call, whole=call.whole("to") in _WHOLE_TYPES)


_LIKE_FIRST = (
    "Abs", "BatchNormalization", "Ceil", "Clip", "Cos", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu",
    "GroupNormalization", "HardSigmoid", "HardSwish", "InstanceNormalization", "IsInf", "IsNaN", "LayerNormalization",
    "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "Mish", "Neg", "Not", "QuantizeLinear", "Reciprocal", "Relu",
    "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu",
)  # fmt: skip

_ELEMENTWISE = (
    "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Or", "PRelu",
    "Pow", "Sum", "Where", "Xor",
)  # fmt: skip

_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip

ONNX_OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(_LIKE_FIRST, like_first),
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "Add": followed(np.add),
    "Sub": followed(np.subtract),
    "Mul": followed(np.multiply),
    "Div": followed(divided),
    "ArgMax": _arg,
    "ArgMin": _arg,
    "AveragePool": _pool,
    "Cast": _cast,
    "Concat": concatenated,
    "Constant": _constant,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Identity": unchanged,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Pad": _pad,
    "Range": counted,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": moves.squeezed,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": moves.unsqueezed,
}
"""By name."""
