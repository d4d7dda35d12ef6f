"""Pair by pair: ratios, the machine's limit, the vendor's own loop."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from miniseg_edge.benchmarks.html.words import NONE, interval_in_words, look, ms, named, signed, spread
from miniseg_edge.benchmarks.plots import Entry, entries
from miniseg_edge.benchmarks.report import Report, VendorBenchmark
from miniseg_edge.benchmarks.statistics import CONFIDENCE, RESAMPLES, Ratio
from miniseg_edge.pages.pieces import row, section, table_of, td, th
from miniseg_edge.printable import in_html

_OVERHEAD_SHARE, _OVERHEAD_MS = 0.05, 0.2


def ratios_section(report: Report) -> str:
    """Every pair of configurations, with its interval."""
    if not report.ratios:
        return ""
    looks = {entry.result.name: entry for entry in entries(report)}
    rows = [
        row([
            th(look(found.name, looks)), td(look(found.baseline, looks), "words"), td(f"{found.ratio:.2f}&times;"),
            td(interval_in_words(found)), td(_ratio_in_words(found), "words"),
        ])
        for found in report.ratios
    ]  # fmt: skip
    columns = ["configuration", "compared with", "speed", f"{CONFIDENCE:.0%} interval", "so"]
    note = (
        f"Ratio of the p50s. The interval is a bootstrap of {RESAMPLES} resamples that draws rounds first, because a "
        "drifting machine moves whole rounds. Where it holds 1, the run does not show that the two differ."
    )
    return section("Pair by pair", f'<p class="note">{note}</p>' + table_of(columns, rows, words=(1, 4)))


def _ratio_in_words(found: Ratio) -> str:
    if found.within_noise:
        return "within noise"
    return "faster" if found.ratio > 1 else "slower"


def limit_section(report: Report, shown: Sequence[Entry]) -> str:
    """How far each artefact is from the machine's limit."""
    gflops = {(limit.runtime, limit.precision): limit.gflops for limit in report.limits}
    rows = [
        row([
            th(named(entry)),
            td(f"{result.macs / 1e6:,.0f}"),
            td(spread(gflops.get((result.runtime, result.precision), ()), 0)),
            td(ms(result.limit_ms)),
            td(ms(result.infer.p50_ms if result.infer else None)),
            td(f"{result.times_limit:.1f}"),
        ])
        for entry in shown
        if (result := entry.result).times_limit is not None
    ]  # fmt: skip
    if not rows:
        return ""
    columns = [
        "artefact", "multiplications<br>millions", "this machine<br>GFLOP/s", "at that rate<br>ms",
        "inference p50<br>ms", "times<br>the limit",
    ]  # fmt: skip
    note = (
        "The machine&rsquo;s limit is measured in the same run: dense 3x3 convolutions of 64 channels in the same "
        "runtime and precision. Multiplications by zeros that a form adds are not counted as work."
    )
    return section("Beside the machine&rsquo;s limit", f'<p class="note">{note}</p>' + table_of(columns, rows), "whole")


def vendor_section(report: Report) -> str:
    """Our runtime compared with the vendor's own loop."""
    if not report.vendor_benchmarks:
        return ""
    columns = [
        "artefact", "benchmark_app<br>ms", "ours on top<br>ms", "ours on top<br>%", "so", "command",
    ]  # fmt: skip
    looks = {entry.result.name: entry for entry in entries(report)}
    rows = [row(_vendor_cells(found, looks)) for found in report.vendor_benchmarks]
    note = (
        "OpenVINO&rsquo;s own loop around the same artefact, in turns with our runtime in the same loop: no "
        f"preprocessing, no mask. Ours is meant to stay within {_OVERHEAD_SHARE:.0%} or {_OVERHEAD_MS:g} ms of it."
    )
    return section(
        "Beside benchmark_app", f'<p class="note">{note}</p>' + table_of(columns, rows, words=(4, 5)), "whole"
    )


def _vendor_cells(found: VendorBenchmark, looks: Mapping[str, Entry]) -> list[str]:
    theirs = median(found.median_ms) if found.median_ms else 0.0
    share = found.overhead_ms / theirs if theirs else math.inf
    within = found.overhead_ms < _OVERHEAD_MS or share < _OVERHEAD_SHARE
    return [
        th(look(found.result, looks)),
        td(spread(found.median_ms, 3)),
        td(signed(found.overhead_ms, 3) + _span(found)),
        td(signed(100 * share, 1) if theirs else NONE),
        td("within limits" if within else '<span class="bad-word">&#10007; over the limit</span>', "words"),
        td(f"<code>{in_html(found.command)}</code>", "words"),
    ]


def _span(found: VendorBenchmark) -> str:
    if found.low_ms is None or found.high_ms is None:
        return ""
    return f"<br><small>{signed(found.low_ms, 3)} to {signed(found.high_ms, 3)}</small>"
