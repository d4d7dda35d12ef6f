"""`report.html`: the measurements, for readers who did not make them."""

from miniseg_edge.benchmarks.html.disagreement import Disagreement
from miniseg_edge.benchmarks.html.page import html_from_report
from miniseg_edge.benchmarks.ratios import ratio_between

__all__ = ["Disagreement", "html_from_report", "ratio_between"]
