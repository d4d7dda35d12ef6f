"""Element-wise operators, and the arithmetic of small integers from which shapes are computed."""

from collections.abc import Callable
from math import prod

import numpy as np
import numpy.typing as npt

from miniseg_edge.admission.call import Call, Made, made, value_of
from miniseg_edge.admission.graph import MAX_NUMBERS, NotAdmittedError, Value
from miniseg_edge.admission.shapes import broadcast, joined

_SAFE = 2**31
"""Below this magnitude, 32-bit and 64-bit arithmetic agree; larger numbers are not tracked."""

Arithmetic = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.int64]]


def like_first(call: Call) -> Made:
    """The first input's shape. The other inputs are small, or the engine refuses them."""
    return made(call.shape())


def unchanged(call: Call) -> Made:
    """The first input itself."""
    return Made((call.value(0),))


def elementwise(call: Call) -> Made:
    """All inputs broadcast together."""
    return made(broadcast(*(call.shape(index) for index in range(len(call.inputs)))))


def followed(arithmetic: Arithmetic) -> Callable[[Call], Made]:
    """The same for two inputs. The result's numbers are tracked if those of both inputs are small and known."""

    def rule(call: Call) -> Made:
        shape = broadcast(*(call.shape(index) for index in range(len(call.inputs))))
        numbers = [value.numbers for value in call.inputs if value is not None]
        if len(numbers) != 2 or prod(shape) > MAX_NUMBERS or not all(_is_safe(found) for found in numbers):
            return made(shape)
        one, other = (np.array(call.numbers(i), np.int64).reshape(call.shape(i)) for i in (0, 1))
        if arithmetic is divided and (one.min(initial=0) < 0 or other.min(initial=1) < 1):
            return made(shape)
        return Made((value_of(arithmetic(one, other)),))

    return rule


def divided(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Integer quotients of numbers from 0 by numbers from 1: all rounding modes agree on them."""
    return one // other


def concatenated(call: Call) -> Made:
    """Concatenation along an axis, with the numbers if they are few and known."""
    parts = [call.value(index) for index in range(len(call.inputs))]
    if not parts:
        raise NotAdmittedError("nothing to concatenate")
    shape = joined([part.shape for part in parts], call.whole("axis"))
    if len(shape) != 1 or shape[0] > MAX_NUMBERS or any(part.numbers is None for part in parts):
        return made(shape)
    return Made((Value(shape, tuple(n for index in range(len(parts)) for n in call.numbers(index))),))


def counted(call: Call) -> Made:
    """A range of integers, as used for axes; it must be short and known in advance."""
    start, end, step = (call.number(index) for index in range(3))
    if step == 0 or len(found := range(start, end, step)) > MAX_NUMBERS:
        raise NotAdmittedError("more numbers in a row than axes could be")
    return Made((Value((len(found),), tuple(found)),))


def followed_if_whole(call: Call, *, whole: bool) -> Made:
    """A conversion. Numbers are tracked between integer types of 32 bits or more."""
    value = call.value(0)
    return unchanged(call) if whole and _is_safe(value.numbers) else made(value.shape)


def _is_safe(numbers: tuple[int, ...] | tuple[float, ...] | None) -> bool:
    return numbers is not None and all(isinstance(number, int) and abs(number) < _SAFE for number in numbers)
