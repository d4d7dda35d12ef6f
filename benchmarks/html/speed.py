"""Speed and accuracy: the main table, latencies, and one against the other."""

from collections.abc import Sequence

from miniseg_edge.benchmarks.html.words import (
    NONE,
    count_in_words,
    dice_in_words,
    draws_another_lesion,
    many,
    ms,
    named,
)
from miniseg_edge.benchmarks.plots import Entry, accuracy_plot, latency_plot
from miniseg_edge.benchmarks.report import Report
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION
from miniseg_edge.pages.pieces import figure, row, section, table_of, td, th
from miniseg_edge.printable import in_html


def main_section(report: Report, shown: Sequence[Entry]) -> str:
    """The main table."""
    if not shown:
        return ""
    judged = any(entry.result.mean_iou is not None for entry in shown)
    columns = [
        "configuration", "p50<br>ms", "p90<br>ms", "p99<br>ms", "slices/s", "speed to<br>baseline", "peak<br>MB",
        "Dice<br>mean", "Dice<br>worst", "changed<br>pixels", *(["mIoU"] if judged else []),
    ]  # fmt: skip
    rows = [row(_main_cells(entry, report.baseline, judged), bad=draws_another_lesion(entry.result)) for entry in shown]
    note = (
        f"Dice and changed pixels: against {in_html(report.reference)}, over "
        f"{many(len(report.method.slices), 'slice')}. Speed to baseline: p50 of {in_html(report.baseline)} over this "
        "p50; above 1 is faster. Slices/s: offline if that was run, else single-stream. Dice is cut, not rounded, so "
        "that 1.0000 means every pixel."
    )
    if any(draws_another_lesion(entry.result) for entry in shown):
        note += (
            f' Rows in red, marked <span class="bad-word">&#10007; another lesion</span>, fall below a Dice of '
            f"{DIFFERENT_LESION:g} in some slice: rounding cannot explain that."
        )
    return section("Speed and accuracy", table_of(columns, rows) + f'<p class="note">{note}</p>')


def _main_cells(entry: Entry, baseline: str, judged: bool) -> list[str]:
    result = entry.result
    tags = '<span class="tag">baseline</span>' if result.name == baseline else ""
    bad = '<span class="bad-word">&#10007; another lesion</span>' if draws_another_lesion(result) else ""
    what = f"<small>{in_html(result.runtime)} {in_html(result.precision)}: {in_html(result.artifact)}</small>"
    return [
        th(f"{named(entry)} {tags} {bad}{what}"),
        *(td(ms(value)) for value in (result.p50_ms, result.p90_ms, result.p99_ms)),
        td(f"{result.throughput_slices_per_s:.1f}"),
        td(NONE if result.ratio_to_baseline is None else f"{result.ratio_to_baseline:.2f}&times;"),
        td(count_in_words(round(result.peak_rss_mb))),
        *(td(value, "judged") for value in (dice_in_words(result.dice_mean), dice_in_words(result.dice_worst))),
        td(count_in_words(result.changed_pixels), "judged"),
        *([td(NONE if result.mean_iou is None else f"{result.mean_iou:.4f}")] if judged else []),
    ]


def latency_section(shown: Sequence[Entry]) -> str:
    """All latencies."""
    plot = latency_plot(shown)
    if not plot:
        return section("Latency", '<p class="note">Single-stream was not run, so there are no latencies.</p>')
    note = (
        "Hills: density of all end-to-end latencies, each as high as the others. Dark lines: p50 (long), p90, p99 "
        f"(short). Marks below: every sample, {_samples_in_words(shown)}; nothing is dropped or clipped."
    )
    return section("Latency", figure(plot, note), "page")


def _samples_in_words(shown: Sequence[Entry]) -> str:
    counts = sorted({sum(map(len, entry.result.rounds_ms)) for entry in shown} - {0})
    return f"{' to '.join(count_in_words(n) for n in dict.fromkeys((counts[0], counts[-1])))} of each"


def accuracy_section(report: Report, shown: Sequence[Entry]) -> str:
    """Speed against accuracy."""
    plot = accuracy_plot(shown, report.baseline)
    note = "Circles: our artefacts. Squares: peers. Red, with &#10007;: another lesion was segmented."
    return section("Speed against accuracy", figure(plot, note), "whole") if plot else ""
