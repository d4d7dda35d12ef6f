"""Sums of products against Python's whole numbers, which are exact, and in other orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import ExportError
from miniseg_edge.export.quantization.exact.arithmetic import (
    EXACT_BITS,
    FACTOR_BITS,
    Matrix,
    bits_for,
    dot,
    on_grid,
    product,
    sums,
)
from miniseg_edge.slices.preprocessing import FloatArray

SEEDS = st.integers(0, 10_000)


def values(seed: int, *shape: int) -> FloatArray:
    """Of very different sizes, row by row."""
    generator = np.random.default_rng(seed)
    sizes = 2.0 ** generator.integers(-12, 12, (shape[0], *[1] * (len(shape) - 1)))
    return np.asarray(generator.normal(size=shape) * sizes, np.float32)


def by_whole_numbers(left: Matrix, right: Matrix) -> list[list[int]]:
    """The product of matrices of whole numbers, in Python's."""
    a, b = left.astype(np.int64).tolist(), right.astype(np.int64).T.tolist()
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in b] for row in a]


@given(seed=SEEDS, bits=st.integers(2, 40), by_row=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_grid_is_half_a_step_away_at_most(seed: int, bits: int, by_row: bool) -> None:
    x = values(seed, 3, 20)
    grid = on_grid(x, bits, by_row=by_row)
    assert np.array_equal(grid.integers, np.rint(grid.integers))
    assert np.abs(grid.integers).max() <= 2**bits
    assert (np.abs(grid.integers * grid.step - x) <= grid.step / 2).all()
    assert (np.frexp(grid.step)[0] == 0.5).all(), "steps are powers of two"


@given(seed=SEEDS, shape=st.tuples(st.integers(1, 9), st.integers(1, 200), st.integers(1, 60)))
@settings(max_examples=50, deadline=None)
def test_a_product_is_the_exact_one_of_rounded_factors_rounded_once(seed: int, shape: tuple[int, int, int]) -> None:
    outputs, terms, pixels = shape
    left, right = values(seed, outputs, terms), on_grid(values(seed + 1, terms, pixels), FACTOR_BITS)
    rows = on_grid(left, bits_for(terms) - FACTOR_BITS, by_row=True)
    exact = by_whole_numbers(rows.integers, right.integers)
    assert max(abs(entry) for row in exact for entry in row) <= 2**EXACT_BITS
    wanted = np.array(exact, np.float64).astype(np.float32) * (rows.step * right.step).astype(np.float32)
    assert np.array_equal(product(left, right), wanted)


@given(seed=SEEDS, terms=st.integers(2, 600))
@settings(max_examples=30, deadline=None)
def test_the_order_of_terms_changes_no_bit(seed: int, terms: int) -> None:
    left, right = values(seed, 8, terms), values(seed + 1, terms, 300)
    order = np.random.default_rng(seed).permutation(terms)
    found = product(left, on_grid(right, FACTOR_BITS))
    assert np.array_equal(found, product(left[:, order], on_grid(right[order], FACTOR_BITS)))
    in_halves = sum(
        np.float64(1) * _unrounded(left, right, part) for part in (slice(0, terms // 2), slice(terms // 2, None))
    )
    assert np.array_equal(found, _scaled(left, right, np.asarray(in_halves)))


def _unrounded(left: FloatArray, right: FloatArray, part: slice) -> Matrix:
    rows = on_grid(left, bits_for(left.shape[1]) - FACTOR_BITS, by_row=True)
    return np.asarray(rows.integers[:, part] @ on_grid(right, FACTOR_BITS).integers[part])


def _scaled(left: FloatArray, right: FloatArray, total: Matrix) -> FloatArray:
    rows = on_grid(left, bits_for(left.shape[1]) - FACTOR_BITS, by_row=True)
    return total.astype(np.float32) * (rows.step * on_grid(right, FACTOR_BITS).step).astype(np.float32)


@given(seed=SEEDS, terms=st.integers(1, 600))
@settings(max_examples=30, deadline=None)
def test_it_is_as_exact_as_float32(seed: int, terms: int) -> None:
    left, right = values(seed, 4, terms), np.asarray(np.random.default_rng(seed).normal(size=(terms, 50)), np.float32)
    found, wanted = product(left, on_grid(right, FACTOR_BITS)), left.astype(np.float64) @ right
    largest = np.abs(left).max(axis=1, keepdims=True) * np.abs(right).max()
    assert (np.abs(found - wanted) <= 2.0**-17 * largest * np.sqrt(terms)).all()


@given(seed=SEEDS, rows=st.integers(1, 12), pixels=st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_sums_over_pixels_in_any_order_are_the_same_bits_and_a_real_covariance(
    seed: int, rows: int, pixels: int
) -> None:
    x = values(seed, rows, pixels)
    total, products = sums(x)
    order = np.random.default_rng(seed).permutation(pixels)
    for a, b in zip((total, products), sums(np.ascontiguousarray(x[:, order])), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(products, products.T)
    assert np.allclose(total, x.sum(axis=1, dtype=np.float64), atol=1e-3 * pixels * np.abs(x).max())
    spread = products / pixels - np.multiply.outer(total, total) / pixels**2
    size = np.sqrt(np.maximum(np.diag(products), 1e-30) / pixels)
    assert np.linalg.eigvalsh(spread / np.multiply.outer(size, size)).min() > -1e-9


def test_a_dot_product_does_not_know_the_order() -> None:
    left, right = values(1, 500).astype(np.float64), values(2, 500).astype(np.float64)
    order = np.random.default_rng(0).permutation(500)
    assert dot(left, right) == dot(left[order], right[order])


def test_nothing_stays_nothing() -> None:
    assert not product(np.zeros((2, 3), np.float32), on_grid(np.zeros((3, 5), np.float32), FACTOR_BITS)).any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    x = np.ones((2, 3), np.float32)
    x[1, 2] = wrong
    for by_row in (False, True):
        with pytest.raises(ExportError, match="overflow"):
            on_grid(x, 20, by_row=by_row)
