import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.benchmarks.statistics import (
    FloatSamples,
    difference,
    distribution,
    growth,
    median_difference,
    ratio,
)


def rounds(median_ms: float, seed: int, count: int = 5, drift: float = 0.0) -> list[FloatSamples]:
    """Skewed latencies, a few of them far out, as real ones are; `drift` slows each round down a little more."""
    random = np.random.default_rng(seed)
    return [median_ms * (1 + drift * i) * (0.97 + random.gamma(2.0, 0.02, 80)) for i in range(count)]


def test_percentiles_of_known_samples() -> None:
    found = distribution(np.arange(1.0, 1001.0))
    assert (found.samples, found.min_ms, found.max_ms) == (1000, 1.0, 1000.0)
    assert found.p50_ms == 500.5
    assert found.p90_ms == pytest.approx(900.1)
    assert found.p99_ms == pytest.approx(990.01)
    assert found.p999_ms == pytest.approx(999.001)


def test_no_sample_is_dropped() -> None:
    outlier = np.array([1.0] * 99 + [10_000.0])
    assert distribution(outlier).max_ms == 10_000.0
    assert distribution(outlier).mean_ms == pytest.approx(100.99)


def test_a_known_ratio_lies_in_its_interval() -> None:
    found = ratio("fast", rounds(10.0, 1), "slow", rounds(15.0, 2))
    assert found.low <= 1.5 <= found.high
    assert found.high - found.low < 0.1
    assert not found.within_noise


def test_equal_ones_are_within_noise() -> None:
    assert ratio("one", rounds(10.0, 1), "other", rounds(10.0, 2)).within_noise


def test_drift_that_hits_both_leaves_the_ratio_alone() -> None:
    found = ratio("fast", rounds(10.0, 1, drift=0.2), "slow", rounds(12.0, 2, drift=0.2))
    assert found.low <= 1.2 <= found.high
    assert not found.within_noise


def test_the_same_samples_give_the_same_interval() -> None:
    one, other = rounds(10.0, 1), rounds(11.0, 2)
    assert ratio("a", one, "b", other) == ratio("a", one, "b", other)


def test_a_known_delay_shows_as_itself() -> None:
    plain = rounds(20.0, 3)
    found = difference([samples + 5.0 for samples in rounds(20.0, 4)], plain)
    assert found.low_ms <= 5.0 <= found.high_ms
    assert abs(found.ms - 5.0) < 0.3


@settings(max_examples=30, deadline=None)
@given(st.floats(-50, 50), st.integers(0, 100))
def test_growth_finds_a_planted_slope(slope: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    seconds = np.arange(0.0, 60.0, 0.5)
    values = 500 + slope * seconds / 60 + random.normal(0, 0.05, len(seconds))
    found = growth([np.stack([seconds, values], axis=1)])
    assert found.per_minute == pytest.approx(slope, abs=0.2)
    assert found.low <= found.per_minute <= found.high


def test_each_process_has_a_level_of_its_own() -> None:
    seconds = np.arange(0.0, 10.0, 0.5)
    series = [np.stack([seconds, level + 3.0 * seconds / 60], axis=1) for level in (500.0, 100.0, 900.0)]
    assert growth(series).per_minute == pytest.approx(3.0)


def test_steady_memory_does_not_grow_and_few_points_say_nothing() -> None:
    assert not growth([np.stack([np.arange(100.0), np.full(100, 7.0)], axis=1)]).grows
    assert not growth([np.array([[0.0, 0.0], [1.0, 9.0]])]).grows
    assert not growth([]).grows


def test_a_paired_difference_is_that_of_the_pairs() -> None:
    drift = np.linspace(0.0, 50.0, 11)
    found = median_difference(list(10.5 + drift), list(10.0 + drift))
    assert found.ms == pytest.approx(0.5)
    assert (found.low_ms, found.high_ms) == pytest.approx((0.5, 0.5)), "drift that hits both alike is no difference"
