"""Bilinear upsampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.child import in_child
from tests.native.kernels.draws import BEHIND, CHANNELS, SEEDS, WIDTHS, Chance, same_bits
from tests.native.kernels.memory import Format, Memory, written_row
from tests.native.kernels.sums import Sum
from tests.native.kernels.table import HALO, Floats, Set

pytestmark = pytest.mark.slow

LARGE = 1e30
"""What may lie behind the last column: anything finite."""


def positions(before: int, after: int) -> Floats:
    """Where columns lie among those before (align_corners=False)."""
    return np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)


def tables(before: int, after: int, columns: int) -> Floats:
    """(5, columns), as `ColumnWeights` has them: of j - 1, j, j + 1 for column 2j, of j, j + 1 for column 2j + 1."""
    found = np.zeros((5, columns), np.float32)
    for x, place in enumerate(positions(before, after)):
        first = int(place)
        offset = first - x // 2
        table = (1 if x % 2 == 0 else 3) + offset
        found[table, x // 2] += np.float32(1 - (place - first))
        if place > first:
            found[table + 1, x // 2] += np.float32(place - first)
    return found


def test_upsample(sets: list[Set]) -> None:
    """To twice the columns or one less, between two rows or at one."""

    @given(WIDTHS, CHANNELS, st.floats(0, 1, width=32), BEHIND, SEEDS)
    def check(after: int, channels: int, below: float, behind: bool, seed: int) -> None:
        before = (after + 1) // 2
        source, form = Format(channels, before), Format(channels, after)
        rows = Chance(seed).floats(2, channels, before)
        columns = form.half // 2
        above = float(np.float32(1) - np.float32(below))
        found = []
        for one in sets:
            memory = Memory(behind)
            to = written_row(memory, form)
            scratch = memory.filled(HALO + columns + HALO, np.nan)
            scratch[:HALO] = 0
            padding = np.full((channels, source.half + HALO - before), LARGE, np.float32)
            padded = [np.concatenate([row, padding], axis=1) for row in rows]
            one.call(
                "upsample",
                rows=tuple(memory.array(row) for row in padded), weights=(above, below),
                input_stride=source.stride, channels=channels,
                columns=tuple(memory.array(table) for table in tables(before, after, columns)),
                scratch=scratch[HALO:].ctypes.data, output=to.address, output_stride=form.stride, width=form.half,
            )  # fmt: skip
            found.append(to.values())
        between = above * rows[0].astype(float) + below * rows[1].astype(float)
        mass = above * np.abs(rows[0].astype(float)) + below * np.abs(rows[1].astype(float))
        places = positions(before, after)
        value, bound = (
            np.stack([np.interp(places, np.arange(before), line) for line in lines]) for lines in (between, mass)
        )
        Sum(value, bound, 8).check(same_bits(found))

    in_child(check)


def test_one_column(sets: list[Set]) -> None:
    """It has no neighbour; what lies beside it has no weight."""

    def check() -> None:
        for one in sets:
            memory = Memory(behind=True)
            to = written_row(memory, Format(1, 1))
            scratch = memory.filled(HALO + 16 + HALO, 0)
            row = np.full((1, 48), LARGE, np.float32)
            row[0, 0] = 3
            one.call(
                "upsample",
                rows=(memory.array(row), memory.array(row)), weights=(0.25, 0.75), input_stride=48, channels=1,
                columns=tuple(memory.array(table) for table in tables(1, 1, 16)), scratch=scratch[HALO:].ctypes.data,
                output=to.address, output_stride=48, width=32,
            )  # fmt: skip
            assert to.values() == 3

    in_child(check)
