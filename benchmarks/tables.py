"""A run's results in the terminal; a fast artefact with another lesion is red."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.benchmarks.ratios import ratio_between
from miniseg_edge.benchmarks.report import Report, Result, VendorBenchmark
from miniseg_edge.benchmarks.run.profiling import profile
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.golden import golden_image
from miniseg_edge.console import terminal
from miniseg_edge.slices.preprocessing import network_input

DIFFERENT_LESION = 0.95
"""Worst Dice against the reference below which a configuration is reported as showing another lesion."""


def show_report(report: Report) -> None:
    """Speed and accuracy in one table, then memory and start, then what is within noise, then failures."""
    everything = report.everything
    red = [i for i, result in enumerate(everything) if result.dice_worst < DIFFERENT_LESION]
    judged = any(result.mean_iou is not None for result in everything)
    columns = ("", "p50 ms", "p90", "p99", "slices/s", "ratio", "Dice", "worst", "changed px", *["mIoU"][:judged])
    terminal.table(f"{report.machine.name}", columns, [_speed_row(r)[: len(columns)] for r in everything], red)
    costs = ("", "start s", "load", "first", "peak MB", "MB/min", "CPU")
    terminal.table("Start, memory, processor", costs, [_cost_row(r) for r in everything])
    terminal.say("start: process start to first mask; load: opening alone, first: slice, CPU: for a slice, all in ms")
    terminal.say(f"ratio: p50 of {report.baseline!r} over this p50; Dice and changed pixels against {report.reference}")
    for index in red:
        terminal.say(
            f"{everything[index].name} segments another lesion: worst Dice {everything[index].dice_worst:.3f}", "bad"
        )
    for noise in (r for r in report.ratios if r.within_noise):
        terminal.say(f"within noise: {noise.name} and {noise.baseline} ({noise.low:.3f} to {noise.high:.3f})")
    if report.busy_remark:
        terminal.warn(report.busy_remark)
    for said in slow_int8(report):
        terminal.warn(said)
    for result in everything:
        if result.rss_growth_mb.grows and result.rss_growth_mb.low > 1.0:
            terminal.warn(f"{result.name} grows by {result.rss_growth_mb.per_minute:.1f} MB a minute")
    for vendor in report.vendor_benchmarks:
        terminal.say(f"{vendor.result} over {vendor.command.partition(' ')[0]}: {_overhead(vendor)} a slice")
    for result in report.results:
        if result.times_limit is not None and result.limit_ms is not None:
            terminal.say(
                f"{result.name} takes {result.times_limit:.1f} times as long as its {result.macs / 1e6:.0f} M "
                f"multiplications at this machine's limit ({result.limit_ms:.1f} ms)"
            )
    if any(result.study for result in everything):
        show_studies(everything)
    for failure in report.failures:
        terminal.warn(f"not measured: {failure.name}: {failure.reason}")


def slow_int8(report: Report) -> list[str]:
    """A line for each of our INT8 artefacts that is not faster than the same runtime's FP32 by more than noise."""
    said = []
    for result in (result for result in report.results if result.precision == "int8"):
        exact = next((r.name for r in report.results if (r.runtime, r.precision) == (result.runtime, "fp32")), "")
        found = ratio_between(report, result.name, exact)
        if found is not None and found.low <= 1.0:
            said.append(
                f"{result.name} does not pay here: {found.ratio:.2f} times the speed of {exact} "
                f"({found.low:.2f} to {found.high:.2f}), and less exact"
            )
    return said


def show_studies(results: Sequence[Result]) -> None:
    """The bursts from DICOM to DICOM SEG, medians of the rounds."""
    rows = [
        (
            result.name,
            f"{study.slices}",
            f"{statistics.median(study.first_mask_ms):.0f}",
            f"{statistics.median(study.whole_ms) / 1e3:.2f}",
            f"{statistics.median(study.inference_ms) / 1e3:.2f}",
            f"{study.times_inference:.2f}",
        )
        for result in results
        if (study := result.study) is not None
    ]
    columns = ("", "slices", "first mask ms", "whole s", "inference alone s", "times as long")
    terminal.table("A CT from its DICOM folder to a DICOM SEG", columns, rows)


def show_profile(bundle_path: Path, report: Report, count: int) -> None:
    """`--profile`: the most expensive operators of each artefact."""
    bundle = open_bundle(bundle_path)
    image = golden_image(bundle, bundle.manifest.golden[0]).astype("float32")
    grey = network_input(image, bundle.manifest.preprocessing.size)
    for result in report.results:
        if not (costs := profile(bundle, result.runtime, result.precision, grey)):
            terminal.say(f"{result.name}: its runtime tells no operator's time")
            continue
        rows = [(c.name, c.kind, f"{c.ms:.3f}", f"{c.share:.1%}") for c in costs[:count]]
        terminal.table(f"Where the time goes: {result.name}", ("operator", "kind", "ms", "share"), rows)


def _speed_row(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        *(_latency(ms) for ms in (result.p50_ms, result.p90_ms, result.p99_ms)),
        f"{result.throughput_slices_per_s:.1f}",
        _figure(result.ratio_to_baseline, 2),
        f"{result.dice_mean:.4f}",
        f"{result.dice_worst:.4f}",
        f"{result.changed_pixels:,}",
        _figure(result.mean_iou, 4),
    )


def _cost_row(result: Result) -> tuple[str, ...]:
    growth = result.rss_growth_mb
    return (
        result.name,
        _span(result.cold_start_s),
        _figure(max(result.load_ms, default=None), 0),
        _figure(max(result.first_inference_ms, default=None), 0),
        f"{result.peak_rss_mb:.0f}",
        f"{growth.per_minute:+.1f} ({growth.low:+.1f}..{growth.high:+.1f})",
        f"{result.cpu_s_per_slice * 1e3:.1f}",
    )


def _overhead(vendor: VendorBenchmark) -> str:
    found = f"{vendor.overhead_ms:+.3f} ms"
    if vendor.low_ms is None or vendor.high_ms is None:
        return found
    return f"{found} ({vendor.low_ms:+.3f}..{vendor.high_ms:+.3f})"


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f}..{max(values):.2f}" if values else "-"


def _latency(ms: float | None) -> str:
    """In five columns, so that a table with the peers fits 80."""
    return _figure(ms, 2 if ms is None or ms < 100 else 1 if ms < 1000 else 0)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
