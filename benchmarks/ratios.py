"""Ratios of a report, in either direction."""

from miniseg_edge.benchmarks.report import Report
from miniseg_edge.benchmarks.statistics import Ratio


def ratio_between(report: Report, name: str, other: str) -> Ratio | None:
    """How many times faster `name` is than `other`, whichever way round the report has the pair; None if it has not."""
    for found in report.ratios:
        if (found.name, found.baseline) == (name, other):
            return found
        if (found.baseline, found.name) == (name, other):
            return Ratio(name, other, 1 / found.ratio, 1 / found.high, 1 / found.low)
    return None
