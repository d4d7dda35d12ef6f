import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.export.quantization.exact.arithmetic import Matrix
from miniseg_edge.export.quantization.observation import Moments
from miniseg_edge.export.quantization.rounding import LEAST_STEP, inverse_factor, rounded
from miniseg_edge.export.quantization.scheme import CPUS


def inputs(seed: int, n: int, pixels: int = 400) -> Matrix:
    """Correlated, as neighbouring channels and pixels are, and off centre."""
    generator = np.random.default_rng(seed)
    return np.asarray(
        generator.normal(size=(n, n)) @ generator.normal(size=(n, pixels)) + generator.normal(size=(n, 1))
    )


def moments_of(x: Matrix) -> Moments:
    return Moments(x.mean(axis=1), np.cov(x, bias=True).reshape(len(x), len(x)))


def error(weights: Matrix, x: Matrix, seen: Moments, *, ours: bool) -> float:
    """Mean square of what the outputs change by."""
    found = rounded(weights, seen, 0.0, CPUS.largest)
    if ours:
        integers, bias = found.integers.astype(np.float64), found.bias
    else:
        integers, bias = np.round(weights / found.scales[:, None]), np.zeros(len(weights), np.float32)
    changed = (weights - integers * found.scales[:, None]) @ x - bias[:, None]
    return float(np.mean(changed**2))


@given(seed=st.integers(0, 10_000), outputs=st.integers(1, 8), n=st.integers(1, 40), largest=st.sampled_from([63, 127]))
@settings(max_examples=60, deadline=None)
def test_integers_fit_and_the_mean_stays(seed: int, outputs: int, n: int, largest: int) -> None:
    weights, x = np.random.default_rng(seed).normal(size=(outputs, n)), inputs(seed, n)
    found = rounded(weights, moments_of(x), 0.01, largest)
    assert found.integers.dtype == np.int8
    assert np.abs(found.integers.astype(int)).max() <= largest
    mean = (found.integers * found.scales[:, None].astype(np.float64)) @ x.mean(axis=1) + found.bias
    assert np.allclose(mean, weights @ x.mean(axis=1), atol=1e-4)


def test_outputs_change_less_than_with_the_nearest_integers() -> None:
    for seed in range(20):
        weights, x = np.random.default_rng(seed).normal(size=(8, 24)), inputs(seed, 24)
        assert error(weights, x, moments_of(x), ours=True) < 0.75 * error(weights, x, moments_of(x), ours=False)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_the_factor_is_lapacks(seed: int, n: int) -> None:
    covariance = moments_of(inputs(seed, n)).covariance + 0.1 * np.eye(n)
    found = inverse_factor(covariance)
    assert np.array_equal(found, np.triu(found))
    wanted = np.linalg.cholesky(np.linalg.inv(covariance)).T
    assert np.allclose(found, wanted, rtol=1e-6, atol=1e-8 * np.abs(wanted).max())


def test_products_of_two_never_leave_16_bits() -> None:
    assert 2 * 255 * CPUS.largest < 2**15


def test_weights_of_nothing_stay_nothing() -> None:
    x = inputs(1, 6)
    found = rounded(np.zeros((3, 6)), moments_of(x), 0.0, 127)
    assert not found.integers.any()
    assert (found.scales == np.float32(LEAST_STEP)).all()
    assert (found.scales.astype(np.float16) > 0).all(), "FP16 holds it"
    assert not found.bias.any()


def test_inputs_that_never_change_are_no_obstacle() -> None:
    constant = Moments(np.ones(4), np.zeros((4, 4)))
    found = rounded(np.array([[0.3, -0.2, 0.5, 0.1]]), constant, 0.0, CPUS.largest)
    assert np.isfinite(found.bias).all()
    assert np.allclose(found.integers @ np.ones(4) * found.scales + found.bias, 0.7, atol=1e-5)
