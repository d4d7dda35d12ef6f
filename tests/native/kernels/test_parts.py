"""What kernels are made of: the exponential, gates, PReLU, one multiply-add, and what turns vectors about."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.draws import same_bits
from tests.native.kernels.table import Floats, Set

pytestmark = pytest.mark.slow

FLOATS = st.floats(-(2.0**50), 2.0**50, width=32)


def unit(values: Floats) -> Floats:
    """float32's unit of the last place."""
    return np.spacing(np.abs(values.astype(np.float32)))


def test_exponential(sets: list[Set]) -> None:
    """Within 1 unit of the last place for all that it is for."""
    x = np.concatenate([np.linspace(-80, 80, 1 << 20), np.linspace(-1, 1, 1 << 16)]).astype(np.float32)
    result = same_bits([one.part("exponentials", x) for one in sets])
    expected = np.exp(x.astype(float))
    assert (np.abs(result - expected) / unit(expected)).max() <= 1
    assert same_bits([one.part("exponentials", np.zeros(1, np.float32)) for one in sets]) == 1


def test_gate(sets: list[Set]) -> None:
    """1 + sigmoid(z) within 1.5 units of the last place, for infinity too; NaN stays NaN."""
    z = np.concatenate([np.linspace(-100, 100, 1 << 18), [-1e38, 1e38, -np.inf, np.inf, 0]]).astype(np.float32)
    result = same_bits([one.part("gates", z) for one in sets])
    with np.errstate(over="ignore"):
        expected = 1 + 1 / (1 + np.exp(-z.astype(float)))
    assert (np.abs(result - expected) / unit(expected)).max() < 1.5
    assert result[-3:].tolist() == [1, 2, 1.5]
    assert all(np.isnan(one.part("gates", np.full(1, np.nan, np.float32))).all() for one in sets)


def test_prelu(sets: list[Set]) -> None:
    """Positive values as they are; others times the slope, whatever that is: this is not a maximum."""
    grid = np.meshgrid(np.linspace(-3, 3, 61), [-1.5, 0, 0.25, 1, 4])
    values, slopes = (side.ravel().astype(np.float32) for side in grid)
    result = same_bits([one.part("prelus", values, slopes) for one in sets])
    assert np.array_equal(result, np.where(values > 0, values, values * slopes))
    assert all(np.isnan(one.part("prelus", np.full(1, np.nan, np.float32), slopes[:1])).all() for one in sets)


def test_multiply_add(sets: list[Set]) -> None:
    """a b + c, rounded once: the float32 that is nearest to the exact value."""

    @given(FLOATS, FLOATS, FLOATS)
    def check(a: float, b: float, c: float) -> None:
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        arrays = [np.full(1, value, np.float32) for value in (a, b, c)]
        found = same_bits([one.part("multiply_adds", *arrays) for one in sets])
        near = [found[0], np.nextafter(found[0], np.float32(np.inf)), np.nextafter(found[0], np.float32(-np.inf))]
        distances = [abs(Fraction(float(value)) - exact) for value in near]
        assert distances[0] == min(distances)

    check()


def test_shuffles(sets: list[Set]) -> None:
    for one in sets:
        n = one.lanes
        first, second = np.arange(2 * n, dtype=np.float32).reshape(2, n)
        both = np.concatenate([first, second])
        rows = one.shuffles(both)
        low, high = np.stack([first, second], axis=1).reshape(2, n)
        expected = [both[::2], both[1::2], low, high, *(both[n - k : 2 * n - k] for k in (1, 2, 4, 8) if k <= n)]
        assert np.array_equal(rows[: len(expected)], np.stack(expected))


@pytest.mark.parametrize("sign", [1, -1])
def test_multiply_add_beside_a_tie(sets: list[Set], sign: int) -> None:
    """Where only the smallest part of the sum says which float is nearer: fmaf of some C libraries loses it."""
    scales = np.array([2.0**-40, 1, 2.0**40], np.float32)
    a, b = sign * np.float32(24929) * scales, np.full(3, 673 * 2.0**-24, np.float32)  # together 1 + 2^-24
    for smallest, nearest in ((2.0**-80, 1 + 2.0**-23), (-(2.0**-80), 1.0), (0.0, 1.0)):
        c = np.float32(sign * smallest) * scales
        found = same_bits([one.part("multiply_adds", a, b, c) for one in sets])
        assert np.array_equal(found, np.float32(sign * nearest) * scales)
