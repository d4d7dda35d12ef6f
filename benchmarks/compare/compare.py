"""What got faster or slower beyond noise between two reports."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.report import Report, Result
from miniseg_edge.benchmarks.statistics import Ratio, ratio


@dataclass(frozen=True)
class Change:
    """One configuration in both reports: new against old by p50, above 1 is faster; and both accuracies."""

    name: str
    speed: Ratio
    dice_worst_old: float
    dice_worst_new: float

    @property
    def verdict(self) -> str:
        """As text."""
        if self.dice_worst_new < self.dice_worst_old - 1e-3:
            return "draws worse"
        if self.speed.within_noise:
            return "within noise"
        return "faster" if self.speed.ratio > 1.0 else "slower"

    @property
    def worse(self) -> bool:
        """Slower beyond noise, or less accurate."""
        return self.verdict in ("slower", "draws worse")


def compare(old: Report, new: Report) -> tuple[Change, ...]:
    """The configurations that are in both reports with single-stream latencies, in the new one's order.

    Two runs share no rounds, so a machine that was busy during one of them only widens the interval as far as its
    rounds show it: compare reports of one machine in one state.
    """
    before = {result.name: result for result in old.everything if result.rounds_ms}
    pairs = [(before[result.name], result) for result in new.everything if result.rounds_ms and result.name in before]
    return tuple(Change(now.name, _speed(then, now), then.dice_worst, now.dice_worst) for then, now in pairs)


def _speed(old: Result, new: Result) -> Ratio:
    rounds = min(len(old.rounds_ms), len(new.rounds_ms))
    then = [np.array(samples) for samples in old.rounds_ms[:rounds]]
    now = [np.array(samples) for samples in new.rounds_ms[:rounds]]
    return ratio(new.name, now, f"{old.name} before", then)
