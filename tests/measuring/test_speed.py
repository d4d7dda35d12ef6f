"""Speed with its interval: it covers, and it needs enough rounds."""

import math

import numpy as np
import pytest

from miniseg_edge.measuring.speed import CONFIDENCE, speed


def test_a_clear_difference_is_no_noise() -> None:
    found = speed([20.0] * 12, [10.0] * 12)
    assert (found.ratio, found.low, found.high) == (2.0, 2.0, 2.0)
    assert found.faster
    assert not found.within_noise
    slower = speed([10.0] * 12, [20.0] * 12)
    assert not slower.faster
    assert not slower.within_noise


def test_equal_things_are_within_noise() -> None:
    assert speed([10.0] * 12, [10.0] * 12).within_noise


@pytest.mark.parametrize("rounds", range(10))
def test_few_rounds_decide_nothing(rounds: int) -> None:
    found = speed([20.0] * rounds, [10.0] * rounds)
    assert (found.low, found.high) == (0.0, math.inf)
    assert found.within_noise
    assert not found.faster


def test_the_median_lies_inside() -> None:
    random = np.random.default_rng(0)
    for count in range(10, 60):
        base, own = random.lognormal(0, 0.2, (2, count)).tolist()
        found = speed(base, own)
        assert found.low <= found.ratio <= found.high
        assert found.ratio == pytest.approx(float(np.median(np.divide(base, own))))


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of things that are equal, however wild the noise: it holds 1 in all but so many of 20,000 trials."""
    random = np.random.default_rng(1)
    draws = random.standard_cauchy((2, 20_000, 24))
    base, own = np.exp(np.clip(draws, -20, 20))
    missed = sum(not speed(a, b).within_noise for a, b in zip(base.tolist(), own.tolist(), strict=True))
    assert missed <= 20_000 * (1 - CONFIDENCE) + 20


def test_neighbours_are_compared() -> None:
    """A machine that grows slower and slower does not hide who is faster."""
    drift = np.linspace(1, 10, 24)
    found = speed((drift * 1.05).tolist(), drift.tolist())
    assert found.faster
    assert str(found) == "1.05 (1.05 to 1.05)"


def test_rounds_without_a_partner_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        speed([1.0], [1.0, 2.0])
