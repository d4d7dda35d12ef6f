"""Output shapes of operators, after the ONNX and OpenVINO specifications, which agree on these.

All raise NotAdmittedError if an operator cannot run on these shapes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from miniseg_edge.admission.call import Made, made
from miniseg_edge.admission.graph import MAX_SIDE, NotAdmittedError, Shape


def axis_of(axis: int, rank: int) -> int:
    """A non-negative axis index."""
    if not -rank <= axis < rank:
        raise NotAdmittedError(f"axis {axis} of {rank}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Non-negative axis indices, without duplicates."""
    found = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise NotAdmittedError("an axis twice")
    return found


def broadcast(*shapes: Shape) -> Shape:
    """NumPy's rule: sides are equal from the back, or 1."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = []
    for sides in zip(*padded, strict=True):
        wide = {side for side in sides if side != 1}
        if len(wide) > 1:
            raise NotAdmittedError(f"shapes {str(shapes)[:120]} together")
        found.append(wide.pop() if wide else 1)
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """How a convolution or a pool moves over its input; one number per spatial axis.

    Attributes:
        kernel, strides, dilations: at least 1.
        begin, end: how far the input is padded.
        auto: "" for explicit pads, otherwise `valid`, `same_upper` or `same_lower`.
    """

    kernel: Shape
    strides: Shape
    dilations: Shape
    begin: Shape
    end: Shape
    auto: str = ""

    def __post_init__(self) -> None:
        sides = (self.kernel, self.strides, self.dilations)
        if len({len(side) for side in (*sides, self.begin, self.end)}) != 1:
            raise NotAdmittedError("a kernel, strides, dilations and pads of different lengths")
        if not all(1 <= n <= MAX_SIDE for side in sides for n in side):
            raise NotAdmittedError("a kernel, stride or dilation below 1")
        if not all(0 <= n <= MAX_SIDE for side in (self.begin, self.end) for n in side):
            raise NotAdmittedError("pads below 0")
        if self.auto not in ("", "valid", "same_upper", "same_lower"):
            raise NotAdmittedError(f"pads {self.auto[:40]!r}")

    @property
    def extents(self) -> Shape:
        """Pixels from a kernel's first to its last."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def padded(self, picture: Shape) -> Shape:
        """The padded sides of the input; a lower bound if the engine chooses the pads."""
        if len(picture) != len(self.kernel):
            raise NotAdmittedError(f"a kernel of {len(self.kernel)} sides on {len(picture)}")
        begin, end = (self.begin, self.end) if not self.auto else ((0,) * len(picture),) * 2
        if self.auto.startswith("same"):
            end = self.extents
        return tuple(side + b + e for side, b, e in zip(picture, begin, end, strict=True))

    def over(self, picture: Shape, *, ceil: bool = False, inside: bool = True) -> Shape:
        """Sides of the output.

        With `ceil` the last window may extend beyond the input; with `inside` it must start within it.
        """
        found = []
        for axis, (padded, extent) in enumerate(zip(self.padded(picture), self.extents, strict=True)):
            stride, side = self.strides[axis], picture[axis]
            if self.auto.startswith("same"):
                found.append(-(-side // stride))
                continue
            room = padded - extent
            out = (-(-room // stride) if ceil else room // stride) + 1
            begin = 0 if self.auto else self.begin[axis]
            if ceil and inside and (out - 1) * stride >= side + begin:
                out -= 1
            if room < 0 or out < 1:
                raise NotAdmittedError("a kernel that is larger than its input")
            found.append(out)
        return tuple(found)


def convolved(x: Shape, out_channels: int, weights: tuple[int, int], window: Window) -> Made:
    """A convolution; `weights` are groups and input channels of each."""
    groups, channels = weights
    if len(x) < 3 or x[1] != groups * channels or groups < 1 or out_channels % groups:
        raise NotAdmittedError(f"{out_channels} filters in {groups} groups of {channels} on an input {x}")
    out = (x[0], out_channels, *window.over(x[2:]))
    work = prod(out) * channels * prod(window.kernel)
    return made(out, multiplications=work, workspace=prod(x[:2]) * prod(window.padded(x[2:])))


def spread(x: Shape, filters: tuple[int, int, int], window: Window, added: Shape) -> Made:
    """A transposed convolution; `filters` are groups, input and output channels of each, `added` output padding.

    Engines compute the columns of every filter at every pixel, and the output before cropping.
    """
    groups, channels, out_channels = filters
    if len(x) < 3 or x[1] != groups * channels or groups < 1 or window.auto not in ("", "valid"):
        raise NotAdmittedError(f"{groups} groups of {channels} filters on an input {x}")
    if len(x) - 2 != len(window.kernel) or len(added) != len(window.kernel) or not all(0 <= n < 64 for n in added):
        raise NotAdmittedError("a kernel or output padding of another rank")
    sides = zip(x[2:], window.strides, window.extents, added, strict=True)
    whole = tuple((side - 1) * stride + extent + more for side, stride, extent, more in sides)
    cropped = (0,) * len(whole) if window.auto else tuple(map(sum, zip(window.begin, window.end, strict=True)))
    out = (x[0], groups * out_channels, *(side - crop for side, crop in zip(whole, cropped, strict=True)))
    if min(out) < 1:
        raise NotAdmittedError("an output that is cropped away")
    columns = prod(x[2:]) * x[0] * groups * out_channels * prod(window.kernel)
    return made(out, multiplications=columns * channels, workspace=columns + prod(out[:2]) * prod(whole))


def pooled(x: Shape, window: Window, *, ceil: bool = False, inside: bool = True, outputs: int = 1) -> Made:
    """A pool, with indices as a second output if there are two."""
    if len(x) < 3:
        raise NotAdmittedError(f"a pool of an input {x}")
    out = (*x[:2], *window.over(x[2:], ceil=ceil, inside=inside))
    work = prod(out) * prod(window.kernel)
    return made(*[out] * outputs, multiplications=work, workspace=prod(x[:2]) * prod(window.padded(x[2:])))


def product(a: Shape, b: Shape) -> Made:
    """NumPy's matmul."""
    if not a or not b:
        raise NotAdmittedError("a product with a single number")
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise NotAdmittedError(f"a product of {a} and {b}")
    batch = broadcast(left[:-2], right[:-2])
    rows = left[-2:-1] if len(a) > 1 else ()
    columns = right[-1:] if len(b) > 1 else ()
    out = (*batch, *rows, *columns)
    # Engines may spread both factors over the whole batch.
    spread_out = prod(batch) * (prod(left[-2:]) + prod(right[-2:]))
    return made(out, multiplications=prod(out) * left[-1], workspace=spread_out)


def joined(shapes: Sequence[Shape], axis: int) -> Shape:
    """A concatenation."""
    axis = axis_of(axis, len(shapes[0]))
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rests) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise NotAdmittedError(f"shapes {str(shapes)[:120]} in a row")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def reshaped(x: Shape, target: Sequence[int], *, zero_copies: bool) -> Shape:
    """Reshapes: -1 is inferred, and 0 copies the input's side if `copies` is set."""
    found = []
    for axis, side in enumerate(target):
        if side == 0 and zero_copies:
            if axis >= len(x):
                raise NotAdmittedError(f"side {axis} of an input {x}")
            found.append(x[axis])
        else:
            found.append(side)
    if found.count(-1) > 1 or min(found, default=0) < -1:
        raise NotAdmittedError(f"a shape {str(tuple(target))[:80]}")
    if -1 in found:
        rest = prod(side for side in found if side != -1)
        if rest == 0 or prod(x) % rest:
            raise NotAdmittedError(f"{prod(x)} elements in a shape {str(tuple(target))[:80]}")
        found[found.index(-1)] = prod(x) // rest
    if prod(found) != prod(x):
        raise NotAdmittedError(f"{prod(x)} elements in a shape {str(tuple(target))[:80]}")
    return tuple(found)


def without(x: Shape, axes: Sequence[int] | None) -> Shape:
    """Without sides of 1: all, or those on the axes."""
    gone = {i for i, side in enumerate(x) if side == 1} if axes is None else set(axes_of(axes, len(x)))
    if any(x[axis] != 1 for axis in gone):
        raise NotAdmittedError(f"an input {x} without sides {sorted(gone)}")
    return tuple(side for axis, side in enumerate(x) if axis not in gone)


def with_ones(x: Shape, axes: Sequence[int]) -> Shape:
    """With sides of 1 on the axes of the result."""
    at = axes_of(axes, len(x) + len(axes))
    rest = iter(x)
    return tuple(1 if axis in at else next(rest) for axis in range(len(x) + len(at)))


def permuted(x: Shape, order: Sequence[int]) -> Shape:
    """With its axes in another order."""
    if sorted(order) != list(range(len(x))):
        raise NotAdmittedError(f"an order {str(tuple(order))[:80]} of {len(x)} axes")
    return tuple(x[axis] for axis in order)


def repeated(x: Shape, times: Sequence[int]) -> Shape:
    """Each side repeated this many times."""
    if len(times) != len(x) or min(times, default=0) < 0:
        raise NotAdmittedError(f"an input {x} {str(tuple(times))[:80]} times")
    return tuple(side * n for side, n in zip(x, times, strict=True))


def framed(x: Shape, begin: Sequence[int], end: Sequence[int]) -> Shape:
    """With padding before and after each axis; negative padding crops."""
    if not len(begin) == len(end) == len(x):
        raise NotAdmittedError("pads of another rank")
    found = tuple(side + b + e for side, b, e in zip(x, begin, end, strict=True))
    if min(found, default=0) < 0 or any(abs(n) > MAX_SIDE for n in (*begin, *end)):
        raise NotAdmittedError("pads that leave nothing")
    return found


def cuts(x: Shape, parts: Sequence[Sequence[int]]) -> tuple[range, ...]:
    """The positions that a slice selects on each axis; `parts` are starts, ends, axes and steps."""
    starts, ends, axes, steps = parts
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1:
        raise NotAdmittedError("a slice whose starts, ends, axes and steps do not fit")
    found = [range(side) for side in x]
    for start, end, axis, step in zip(starts, ends, axes_of(axes, len(x)), steps, strict=True):
        found[axis] = places(x[axis], start, end, step)
    return tuple(found)


def places(side: int, start: int, end: int, step: int) -> range:
    """From `start` to before `end`. Negative values count from the back; values beyond the side are clipped."""
    if step == 0:
        raise NotAdmittedError("a step of 0")
    lowest_end, highest = (0, side) if step > 0 else (-1, side - 1)
    first = min(max(start + side if start < 0 else start, 0), highest)
    last = min(max(end + side if end < 0 else end, lowest_end), highest)
    return range(first, last, step)


def cut(by: tuple[range, ...]) -> Shape:
    """The shape that these positions make."""
    return tuple(map(len, by))


def in_parts(x: Shape, axis: int, lengths: Sequence[int]) -> list[Shape]:
    """Cut along an axis."""
    axis = axis_of(axis, len(x))
    if sum(lengths) != x[axis] or min(lengths, default=0) < 0:
        raise NotAdmittedError(f"a side of {x[axis]} in parts {str(tuple(lengths))[:80]}")
    return [(*x[:axis], length, *x[axis + 1 :]) for length in lengths]


def gathered(x: Shape, indices: Shape, axis: int) -> Shape:
    """Indices in the place of an axis."""
    axis = axis_of(axis, len(x))
    return (*x[:axis], *indices, *x[axis + 1 :])


def reduced(x: Shape, axes: Sequence[int], *, keep: bool) -> Shape:
    """One number for all along the axes."""
    gone = axes_of(axes, len(x))
    return tuple(1 if axis in gone else side for axis, side in enumerate(x) if keep or axis not in gone)


def resized(x: Shape, axes: Sequence[int], *, sides: Sequence[int] = (), scales: Sequence[float] = ()) -> Made:
    """Interpolated to these sides, or by these factors, along the axes; up to 16 multiplications for each element."""
    at = axes_of(axes, len(x))
    if len(at) != len(sides or scales):
        raise NotAdmittedError(f"{len(at)} axes and {len(sides or scales)} sides or factors")
    found = list(x)
    for index, axis in enumerate(at):
        if scales and not 0 < scales[index] <= MAX_SIDE:
            raise NotAdmittedError(f"a factor {scales[index]}")
        found[axis] = int(x[axis] * scales[index]) if scales else sides[index]
    out = tuple(found)
    return made(out, multiplications=16 * (prod(x) + prod(out)), workspace=prod(x) + prod(out))


def blocks_to_sides(x: Shape, block: int) -> Shape:
    """Channels become blocks of pixels."""
    if len(x) < 3 or block < 1 or x[1] % block ** (len(x) - 2):
        raise NotAdmittedError(f"blocks of {block} in an input {x}")
    return (x[0], x[1] // block ** (len(x) - 2), *(side * block for side in x[2:]))


def sides_to_blocks(x: Shape, block: int) -> Shape:
    """Blocks of pixels become channels."""
    if len(x) < 3 or block < 1 or any(side % block for side in x[2:]):
        raise NotAdmittedError(f"blocks of {block} in an input {x}")
    return (x[0], x[1] * block ** (len(x) - 2), *(side // block for side in x[2:]))
