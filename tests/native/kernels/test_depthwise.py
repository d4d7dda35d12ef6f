"""Depthwise convolutions, several rows at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.child import in_child
from tests.native.kernels.draws import BEHIND, CHANNELS, SEEDS, WIDTHS, Chance, same_bits
from tests.native.kernels.memory import Format, Memory, WrittenRow, read_row, written_row
from tests.native.kernels.sums import Sum, neighbourhood, weighted
from tests.native.kernels.table import Floats, Set

pytestmark = pytest.mark.slow

KERNEL = 5
FUSION = np.zeros((KERNEL, KERNEL), bool)
FUSION[1:4, 1:4] = FUSION[::2, ::2] = True
"""3x3 kernels of dilation 1 and 2; no other weight is read."""


def expected_row(rows: Floats, weights: Floats, start: Floats, stride: int, width: int) -> Sum:
    """Before the activation."""
    taps = neighbourhood(rows, KERNEL, stride, width)
    return weighted("ckl,klcx->cx", np.nan_to_num(weights), taps, start.astype(float), KERNEL**2)


@pytest.mark.parametrize(("kernel", "stride"), [("depthwise", 1), ("depthwise_stride2", 2), ("fusion", 1)])
def test_depthwise(sets: list[Set], kernel: str, stride: int) -> None:
    """Sums that begin with the bias or with rows; carried and total, in place or not."""

    @given(WIDTHS, CHANNELS, st.integers(1, 4), *[st.booleans()] * 4, BEHIND, SEEDS)
    def check(
        width: int, channels: int, count: int, begun: bool, carry: bool, sum_up: bool, in_place: bool, behind: bool,
        seed: int,
    ) -> None:  # fmt: skip
        chance, split, form = Chance(seed), stride == 2, Format(channels, -(-width // stride))
        rows = chance.floats((count - 1) * stride + KERNEL, channels, width)
        weights = chance.floats(channels, KERNEL, KERNEL)
        if kernel == "fusion":
            weights[:, ~FUSION] = np.nan
        bias, slopes = chance.floats(channels), chance.floats(channels)
        starts, carried, bases = chance.floats(3, count, channels, form.width)
        found: list[Floats] = []
        for one in sets:
            outputs, totals = [], []
            for first in range(0, count, one.depthwise_rows):
                memory, rest = Memory(behind), range(first, min(first + one.depthwise_rows, count))
                given_rows = rows[first * stride : (rest[-1]) * stride + KERNEL]
                of_carried = [written_row(memory, form, carried[q]) for q in rest]
                of_base = [written_row(memory, form, bases[q]) for q in rest]
                to = of_carried if in_place and carry else [written_row(memory, form) for _ in rest]
                total = of_base if in_place else [written_row(memory, form) for _ in rest]
                start = [written_row(memory, form, starts[q]) for q in rest]

                def pointers(of: list[WrittenRow], wanted: bool, memory: Memory = memory) -> int | None:
                    return memory.addresses([row.address for row in of]) if wanted else None

                one.call(
                    kernel,
                    rows=memory.addresses([read_row(memory, row, split=split, reach=2) for row in given_rows]),
                    input_stride=Format(channels, width, split).stride, odd=Format(channels, width, split).odd,
                    channels=channels, weights=memory.array(weights),
                    bias=None if begun else memory.array(bias), slopes=memory.array(slopes),
                    count=len(rest), stride=form.stride, start=pointers(start, begun), output=pointers(to, True),
                    carried=pointers(of_carried, carry), total=pointers(total, sum_up), base=pointers(of_base, sum_up),
                    width=form.half,
                )  # fmt: skip
                outputs += [row.values() for row in to]
                totals += [row.values() for row in total] if sum_up else []
            found.append(np.stack([*outputs, *totals]))
        results = same_bits(found)
        for q in range(count):
            start_values = starts[q] if begun else np.repeat(bias[:, None], form.width, axis=1)
            reached = rows[q * stride : q * stride + KERNEL]
            value = expected_row(reached, weights, start_values, stride, form.width).activated(slopes)
            (value.plus(carried[q]) if carry else value).check(results[q])
            if sum_up:
                value.plus(bases[q]).check(results[count + q])

    in_child(check)
