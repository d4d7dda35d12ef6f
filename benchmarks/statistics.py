"""The statistics of the report: percentiles, ratios with their confidence, growth. No sample is ever dropped."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatSamples = npt.NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Distribution:
    """Latencies in milliseconds; percentiles by linear interpolation between samples."""

    samples: int
    min_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    mean_ms: float


def distribution(samples_ms: FloatSamples) -> Distribution:
    """Summary of (N,) latencies in milliseconds, N >= 1."""
    p50, p90, p99, p999 = np.percentile(samples_ms, [50, 90, 99, 99.9])
    return Distribution(
        samples=len(samples_ms),
        min_ms=float(samples_ms.min()),
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        p999_ms=float(p999),
        max_ms=float(samples_ms.max()),
        mean_ms=float(samples_ms.mean()),
    )


@dataclass(frozen=True)
class Ratio:
    """How many times faster one configuration is than another, by p50, with a confidence interval.

    Attributes:
        name, baseline: the two configurations.
        ratio: p50 of the baseline over p50 of the other; above 1 is faster.
        low, high: the 95 % interval.
    """

    name: str
    baseline: str
    ratio: float
    low: float
    high: float

    @property
    def within_noise(self) -> bool:
        """Whether the interval contains 1: then the run does not show a difference."""
        return self.low <= 1.0 <= self.high


def ratio(
    name: str, rounds: Sequence[FloatSamples], baseline: str, baseline_rounds: Sequence[FloatSamples], seed: int = 0
) -> Ratio:
    """Ratio of two configurations' medians, from rounds taken in turns."""
    ours, theirs = _resampled_medians(rounds, baseline_rounds, seed)
    low, high = _interval(theirs / ours)
    return Ratio(name, baseline, _median(baseline_rounds) / _median(rounds), low, high)


@dataclass(frozen=True)
class Difference:
    """How much one configuration is above another in milliseconds, with the 95 % interval."""

    ms: float
    low_ms: float
    high_ms: float


def difference(rounds: Sequence[FloatSamples], baseline_rounds: Sequence[FloatSamples], seed: int = 0) -> Difference:
    """Difference of two configurations' medians in milliseconds, from rounds taken in turns."""
    ours, theirs = _resampled_medians(rounds, baseline_rounds, seed)
    low, high = _interval(ours - theirs)
    return Difference(_median(rounds) - _median(baseline_rounds), low, high)


def median_difference(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Difference:
    """Median of paired differences, one pair per round, with its bootstrap interval.

    The machine's state is similar within a round, so a difference within a round says more than one between all.
    """
    pairs = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    drawn = np.random.default_rng(seed).choice(pairs, (RESAMPLES, len(pairs)))
    low, high = _interval(np.median(drawn, axis=1))
    return Difference(float(np.median(pairs)), low, high)


def _resampled_medians(
    rounds: Sequence[FloatSamples], baseline_rounds: Sequence[FloatSamples], seed: int
) -> tuple[FloatSamples, FloatSamples]:
    """Medians of both in each of `RESAMPLES` resamples.

    The bootstrap resamples rounds first, the same ones for both, because a drifting machine shifts whole rounds, and
    then samples within each round (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
    """
    random = np.random.default_rng(seed)
    count = len(rounds)
    ours, theirs = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = random.integers(0, count, count)
        ours[i] = _median([random.choice(rounds[r], len(rounds[r])) for r in drawn])
        theirs[i] = _median([random.choice(baseline_rounds[r], len(baseline_rounds[r])) for r in drawn])
    return ours, theirs


def _median(rounds: Sequence[FloatSamples]) -> float:
    return float(np.median(np.concatenate(list(rounds))))


def _interval(resampled: FloatSamples) -> tuple[float, float]:
    low, high = np.percentile(resampled, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


@dataclass(frozen=True)
class Growth:
    """The trend of a quantity over a run: slope per minute with its 95 % interval."""

    per_minute: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0.0


def growth(series: Sequence[FloatSamples]) -> Growth:
    """Slope of one quantity in several processes, by Theil and Sen, with Sen's rank interval.

    Args:
        series: for each process (N, 2): seconds and values. Only pairs within a process are compared; a process with
            fewer than 3 points is ignored, and without any the slope is 0.

    Source: Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968).
    """
    usable = [points for points in series if len(points) >= 3]
    if not usable:
        return Growth(0.0, 0.0, 0.0)
    slopes = np.sort(np.concatenate([_pairwise_slopes(points) for points in usable])) * 60.0
    variance = sum(n * (n - 1) * (2 * n + 5) / 18.0 for n in map(len, usable))
    half = 1.96 * np.sqrt(variance) / 2
    low = slopes[max(0, int(len(slopes) / 2 - half))]
    high = slopes[min(len(slopes) - 1, int(len(slopes) / 2 + half))]
    return Growth(float(np.median(slopes)), float(low), float(high))


def _pairwise_slopes(points: FloatSamples) -> FloatSamples:
    earlier, later = np.triu_indices(len(points), 1)
    steps = points[later] - points[earlier]
    return np.asarray(steps[:, 1] / steps[:, 0], dtype=np.float64)
