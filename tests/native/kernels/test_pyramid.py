"""The pyramid of an AHSP block: dilated convolutions, cumulative sums, attention, fusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.child import in_child
from tests.native.kernels.draws import BEHIND, SEEDS, WIDTHS, Chance, same_bits
from tests.native.kernels.memory import Format, Memory, read_row, written_row
from tests.native.kernels.sums import Doubles, Sum, shifted
from tests.native.kernels.table import BRANCHES, SEGMENT, Blocks, Floats, Residual, Set

pytestmark = pytest.mark.slow

ROWS = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
"""Of `PyramidRow.rows`."""


def gated(
    rows: Floats, taps: Floats, attention: Floats, fuse: Floats, shift: Floats, stride: int, width: int
) -> list[Sum]:
    """Each branch before its activation. With d its sums and z = a d: (U d) (1 + sigmoid(z)) + shift."""
    found = []
    value = mass = np.zeros((rows.shape[1], width))
    for branch in range(BRANCHES):
        dilation = 2**branch
        for ky in range(3):
            row = rows[ROWS.index((ky - 1) * dilation)]
            for kx in range(3):
                term = taps[branch, :, ky, kx].astype(float)[:, None] * shifted(row, (kx - 1) * dilation, stride, width)
                value, mass = value + term, mass + np.abs(term)
        u, a = fuse[branch].astype(float), attention[branch].astype(float)
        z, z_mass = a @ value, np.abs(a) @ mass
        f, f_mass = u @ value, np.abs(u) @ mass
        gate: Doubles = 1 + 1 / (1 + np.exp(-z))
        offset = shift[branch].astype(float)[:, None]
        # A sigmoid's slope is at most a quarter; float32's exponential is within 1 unit of the last place.
        bound = 2 * f_mass + np.abs(f) * (z_mass / 4 + 1) + np.abs(offset)
        found.append(Sum(f * gate + offset, bound, 9 * BRANCHES + len(u) + 10))
    return found


@pytest.mark.parametrize(("kernel", "stride"), [("pyramid", 1), ("pyramid_stride2", 2)])
def test_pyramid(sets: list[Set], kernel: str, stride: int) -> None:
    """With nothing added, with a base, with a base less another; into a row of its own, or into its base."""

    @given(WIDTHS, st.integers(1, 18), st.integers(0, 2), st.booleans(), BEHIND, SEEDS)
    def check(width: int, n: int, added: int, in_place: bool, behind: bool, seed: int) -> None:
        chance, split, form = Chance(seed), stride == 2, Format(BRANCHES * n, -(-width // stride))
        rows = chance.floats(len(ROWS), n, width)
        taps, attention = chance.floats(BRANCHES, n, 3, 3), chance.floats(BRANCHES, n)
        fuse, shift, slopes = chance.floats(BRANCHES, n, n), chance.floats(BRANCHES, n), chance.floats(BRANCHES, n)
        base, minus = chance.floats(BRANCHES * n, form.width), chance.floats(BRANCHES * n, form.width)
        found = []
        for one in sets:
            memory = Memory(behind)
            of_base = written_row(memory, form, base)
            to = of_base if in_place and added else written_row(memory, form)
            packed = [Blocks(memory.array(one.packed(matrix, None)), n, n) for matrix in fuse]
            scratch = memory.filled(BRANCHES * n * SEGMENT, np.nan)
            one.call(
                kernel,
                rows=tuple(read_row(memory, row, split=split, reach=8) for row in rows),
                input_stride=Format(n, width, split).stride, odd=Format(n, width, split).odd, channels=n,
                taps=memory.array(taps), attention=memory.array(attention), fuse=tuple(packed),
                shift=memory.array(shift), slopes=memory.array(slopes), scratch=scratch.ctypes.data,
                to=Residual(
                    to.address, of_base.address if added > 0 else None,
                    written_row(memory, form, minus).address if added > 1 else None, form.stride,
                ),
                width=form.half,
            )  # fmt: skip
            found.append(to.values())
        results = same_bits(found)
        for branch, value in enumerate(gated(rows, taps, attention, fuse, shift, stride, form.width)):
            part = slice(branch * n, (branch + 1) * n)
            expected = value.activated(slopes[branch])
            if added > 0:
                expected = expected.plus(base[part])
            if added > 1:
                expected = expected.plus(minus[part], -1.0)
            expected.check(results[part])

    in_child(check)
