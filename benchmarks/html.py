"""`report.html`: a report as one self-contained page that opens without a network and prints on A4.

The page needs no script and forbids itself everything but its own style and pictures. Whatever a report says is text:
it goes through `escape` on its way in.
"""

import base64
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from statistics import median

from miniseg_edge.benchmarks.plots import (
    ARTIFACT_COLOUR,
    CHANGED_COLOUR,
    REFERENCE_COLOUR,
    STAGES,
    Entry,
    accuracy_plot,
    entries,
    latency_plot,
    stage_plot,
    thumbnail,
)
from miniseg_edge.benchmarks.report import Method, Report, Result, SliceAccuracy, StudyResult, VendorBenchmark
from miniseg_edge.benchmarks.statistics import CONFIDENCE, RESAMPLES, Distribution, Growth, Ratio
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION
from miniseg_edge.preprocessing import ByteArray

_NONE = "&ndash;"
_MATRIX_COLUMNS = 6
_FULL_WIDTH_COLUMNS = 5
_SERIOUS_GROWTH_MB = 1.0
_OVERHEAD_SHARE, _OVERHEAD_MS = 0.05, 0.2
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SCENARIOS = {
    "single-stream": "one slice after another, each as soon as the last is done; MLPerf Inference reports its p90",
    "offline": "all slices at once, as many in flight as is fastest; throughput is what counts",
    "burst": "a CT volume that arrives at once: time to its first mask and to its last",
}


@dataclass(frozen=True)
class Disagreement:
    """A slice that a configuration draws unlike the reference, for the thumbnails.

    Attributes:
        result: name of the configuration.
        slice_name: of the slice.
        image: (H, W) uint8, the slice.
        reference, artifact: (H, W) uint8, both masks, lesion above 0.
        dice: of the two masks, 0..1.
        changed_pixels: where they differ.
    """

    result: str
    slice_name: str
    image: ByteArray
    reference: ByteArray
    artifact: ByteArray
    dice: float
    changed_pixels: int


def html_from_report(report: Report, disagreements: Sequence[Disagreement]) -> str:
    """The page.

    Args:
        report: what was measured.
        disagreements: slices to show, as many of each configuration as the page should have.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    shown = entries(report)
    parts = (
        _head(report), _verdict(report), _main_table(report, shown), _latencies(shown), _accuracy(report, shown),
        _stages(shown), _costs(shown), _scenarios(shown), _ratios(report), _limit(report, shown), _vendor(report),
        _parity(shown, disagreements), _failures(report), _method(report), _machine(report),
    )  # fmt: skip
    style = files("miniseg_edge.benchmarks").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>MiniSeg Edge benchmark: {escape(report.bundle)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>Bundle digest <code>{escape(report.bundle_digest)}</code>. "
        "All samples are in report.json.</footer>\n</body>\n</html>\n"
    )


# --- title and verdict -----------------------------------------------------------------------------------------------


def _head(report: Report) -> str:
    machine = report.machine
    name, processor, cores = escape(machine.name), escape(machine.processor), _many(machine.cores, "core")
    return (
        f"<header><h1>MiniSeg Edge benchmark: {escape(report.bundle)}</h1>\n"
        f'<p class="where">{escape(_date(report.created))} on {name}, {processor}, {cores}, '
        f"{machine.memory_gb:.0f} GB</p></header>"
    )


def _date(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    except ValueError:
        return created


def _verdict(report: Report) -> str:
    """What a reader takes away who reads nothing else."""
    if not report.results:
        return '<p class="verdict bad">None of our artefacts could be measured; the failures below say why.</p>'
    ranked = [entry.result for entry in entries(report) if not entry.peer]
    best = ranked[0]
    said = [_fastest(best, alone=len(ranked) == 1), _against_baseline(report, best), _masks_in_words(best)]
    if _differs(best):
        said.append(_best_right_one(report, ranked))
    said.append(_faster_peers(report, best))
    kind = "verdict bad" if _differs(best) else "verdict"
    return f'<p class="{kind}">{" ".join(part for part in said if part)}</p>'


def _fastest(best: Result, *, alone: bool) -> str:
    subject = "The artefact measured is" if alone else "The fastest of our artefacts is"
    if best.p50_ms is None:
        return f"{subject} {_bold(best.name)}, with {best.throughput_slices_per_s:.1f} slices a second."
    return f"{subject} {_bold(best.name)}: half of all slices take less than {best.p50_ms:.2f} ms."


def _against_baseline(report: Report, best: Result) -> str:
    if best.name == report.baseline:
        return "It is itself the baseline that the others are compared with."
    if best.ratio_to_baseline is None:
        return "There is no single-stream latency, so it is not compared with a baseline."
    baseline = f"the baseline, {_bold(report.baseline)}"
    found = ratio_between(report, best.name, report.baseline)
    if found is None:
        return f"It is {best.ratio_to_baseline:.2f} times as fast as {baseline}; no interval was computed."
    interval = f"{CONFIDENCE:.0%} interval {_interval(found)}"
    if found.within_noise:
        return f"Its speed is within noise of {baseline}: {found.ratio:.2f} times, {interval}."
    if found.ratio > 1:
        return f"It is {found.ratio:.2f} times as fast as {baseline} ({interval})."
    return f"It is slower than {baseline}: {found.ratio:.2f} times its speed ({interval})."


def _masks_in_words(result: Result) -> str:
    """Whether the reference's masks are drawn."""
    count, changed = _many(len(result.slices), "slice"), _many(result.changed_pixels, "pixel")
    if _differs(result):
        return (
            '<span class="bad-word">&#10007; It draws another lesion</span> than the reference: Dice falls to '
            f"{_dice(result.dice_worst)} in the worst of {count}, {changed} differ."
        )
    if result.changed_pixels:
        return (
            f"It draws the reference&rsquo;s masks but for {changed} in {count} "
            f"(worst Dice {_dice(result.dice_worst)})."
        )
    return f"It draws the reference&rsquo;s masks exactly, in all of {count}."


def _best_right_one(report: Report, ranked: Sequence[Result]) -> str:
    right = next((result for result in ranked if not _differs(result)), None)
    if right is None:
        return "None of our artefacts draws the reference&rsquo;s masks."
    speed = f"{right.throughput_slices_per_s:.1f} slices a second" if right.p50_ms is None else f"{right.p50_ms:.2f} ms"
    return f"The fastest that draws its masks is {_bold(right.name)} ({speed}). " + _against_baseline(report, right)


def _faster_peers(report: Report, best: Result) -> str:
    """Peers that are faster beyond noise: leaving them out would be advertising."""
    if best.p50_ms is None:
        return ""
    faster = []
    for peer in report.peers:
        found = ratio_between(report, peer.name, best.name)
        if found is not None and found.low > 1.0:
            wrong = ", but it draws another lesion" if _differs(peer) else ""
            faster.append(f"{_bold(peer.name)}, {found.ratio:.2f} times as fast{wrong}")
    return f"Faster still among the peers: {'; '.join(faster)}." if faster else ""


def ratio_between(report: Report, name: str, other: str) -> Ratio | None:
    """How many times faster `name` is than `other`, whichever way round the report has the pair; None if it has not."""
    for found in report.ratios:
        if (found.name, found.baseline) == (name, other):
            return found
        if (found.baseline, found.name) == (name, other):
            return Ratio(name, other, 1 / found.ratio, 1 / found.high, 1 / found.low)
    return None


# --- speed and accuracy ----------------------------------------------------------------------------------------------


def _main_table(report: Report, shown: Sequence[Entry]) -> str:
    if not shown:
        return ""
    judged = any(entry.result.mean_iou is not None for entry in shown)
    columns = [
        "configuration", "p50<br>ms", "p90<br>ms", "p99<br>ms", "slices/s", "speed to<br>baseline", "peak<br>MB",
        "Dice<br>mean", "Dice<br>worst", "changed<br>pixels", *(["mIoU"] if judged else []),
    ]  # fmt: skip
    rows = [_row(_main_cells(entry, report.baseline, judged), bad=_differs(entry.result)) for entry in shown]
    note = (
        f"Dice and changed pixels: against {escape(report.reference)}, over "
        f"{_many(len(report.method.slices), 'slice')}. Speed to baseline: p50 of {escape(report.baseline)} over this "
        "p50; above 1 is faster. Slices/s: offline if that was run, else single-stream. Dice is cut, not rounded, so "
        "that 1.0000 means every pixel."
    )
    if any(_differs(entry.result) for entry in shown):
        note += (
            f' Rows in red, marked <span class="bad-word">&#10007; another lesion</span>, fall below a Dice of '
            f"{DIFFERENT_LESION:g} in some slice: rounding cannot explain that."
        )
    return _section("Speed and accuracy", _table(columns, rows) + f'<p class="note">{note}</p>')


def _main_cells(entry: Entry, baseline: str, judged: bool) -> list[str]:
    result = entry.result
    tags = '<span class="tag">baseline</span>' if result.name == baseline else ""
    bad = '<span class="bad-word">&#10007; another lesion</span>' if _differs(result) else ""
    what = f"<small>{escape(result.runtime)} {escape(result.precision)}: {escape(result.artifact)}</small>"
    return [
        _th(f"{_named(entry)} {tags} {bad}{what}"),
        *(_td(_ms(value)) for value in (result.p50_ms, result.p90_ms, result.p99_ms)),
        _td(f"{result.throughput_slices_per_s:.1f}"),
        _td(_NONE if result.ratio_to_baseline is None else f"{result.ratio_to_baseline:.2f}&times;"),
        _td(_count(round(result.peak_rss_mb))),
        *(_td(value, "judged") for value in (_dice(result.dice_mean), _dice(result.dice_worst))),
        _td(_count(result.changed_pixels), "judged"),
        *([_td(_NONE if result.mean_iou is None else f"{result.mean_iou:.4f}")] if judged else []),
    ]


def _latencies(shown: Sequence[Entry]) -> str:
    plot = latency_plot(shown)
    if not plot:
        return _section("Latency", '<p class="note">Single-stream was not run, so there are no latencies.</p>')
    note = (
        "Hills: density of all end-to-end latencies, each as high as the others. Dark lines: p50 (long), p90, p99 "
        f"(short). Marks below: every sample, {_samples_in_words(shown)}; nothing is dropped or clipped."
    )
    return _section("Latency", _figure(plot, note), "page")


def _samples_in_words(shown: Sequence[Entry]) -> str:
    counts = sorted({sum(map(len, entry.result.rounds_ms)) for entry in shown} - {0})
    return f"{' to '.join(_count(n) for n in dict.fromkeys((counts[0], counts[-1])))} of each"


def _accuracy(report: Report, shown: Sequence[Entry]) -> str:
    plot = accuracy_plot(shown, report.baseline)
    note = "Circles: our artefacts. Squares: peers. Red, with &#10007;: another lesion is drawn."
    return _section("Speed against accuracy", _figure(plot, note), "whole") if plot else ""


# --- where time and memory go ----------------------------------------------------------------------------------------


def _stages(shown: Sequence[Entry]) -> str:
    plot = stage_plot(shown)
    if not plot:
        return ""
    rows = []
    for entry in shown:
        stages = (entry.result.prepare, entry.result.infer, entry.result.finish)
        if all(stage is not None for stage in stages):
            figures = (f(stage) for stage in stages if stage is not None for f in (_p50, _p99))
            samples = sum(map(len, entry.result.rounds_ms))
            rows.append(_row([_th(_named(entry)), _td(_count(samples)), *(_td(_ms(value)) for value in figures)]))
    columns = [
        "configuration",
        "samples",
        *(f"{stage}<br>{percentile} ms" for stage in STAGES for percentile in ("p50", "p99")),
    ]
    return _section("Stages of a slice", _figure(plot, "") + _table(columns, rows), "page")


def _p50(stage: Distribution) -> float:
    return stage.p50_ms


def _p99(stage: Distribution) -> float:
    return stage.p99_ms


def _costs(shown: Sequence[Entry]) -> str:
    if not shown:
        return ""
    columns = [
        "configuration", "cold start<br>s", "first inference<br>ms", "steady<br>MB", "peak<br>MB",
        "growth<br>MB a minute", "CPU<br>ms a slice", "warm-up<br>slices",
    ]  # fmt: skip
    rows = [_row(_cost_cells(entry)) for entry in shown]
    note = (
        "Cold start: process start to first mask; median of all starts, with the shortest and the longest. Growth: "
        f"slope of resident memory after the warm-up, with its {CONFIDENCE:.0%} interval. Warm-up slices are in no "
        "other figure."
    )
    body = _table(columns, rows) + f'<p class="note">{note}</p>'
    return _section("Start, memory, processor time", body, "whole")


def _cost_cells(entry: Entry) -> list[str]:
    result, growth = entry.result, entry.result.rss_growth_mb
    slope = f"{_signed(growth.per_minute)} ({_signed(growth.low)} to {_signed(growth.high)})"
    return [
        _th(_named(entry)),
        _td(_spread(result.cold_start_s, 2)),
        _td(_spread(result.first_inference_ms, 0)),
        _td(_count(round(result.steady_rss_mb))),
        _td(_count(round(result.peak_rss_mb))),
        _td(f"{_growth_in_words(growth)}<br><small>{slope}</small>"),
        _td(f"{result.cpu_s_per_slice * 1e3:.1f}"),
        _td(_count(result.warm_up_slices)),
    ]


def _growth_in_words(growth: Growth) -> str:
    if not growth.grows:
        return "no growth seen"
    return '<span class="bad-word">&#9650; grows</span>' if growth.low > _SERIOUS_GROWTH_MB else "grows slightly"


def _scenarios(shown: Sequence[Entry]) -> str:
    """Offline and burst, where they were run."""
    columns: list[tuple[str, Callable[[Result], str]]] = []
    if any(entry.result.offline_slices_per_s for entry in shown):
        columns.append(("offline<br>slices/s", lambda result: _spread(result.offline_slices_per_s, 1)))
    if any(entry.result.burst_last_ms for entry in shown):
        columns.append(("burst: first mask<br>ms", lambda result: _spread(result.burst_first_ms, 1)))
        columns.append(("burst: last mask<br>ms", lambda result: _spread(result.burst_last_ms, 0)))
    if any(entry.result.study for entry in shown):
        columns.append(("CT: first mask<br>ms", _of_study(lambda study: study.first_mask_ms)))
        columns.append(("CT: DICOM to DICOM SEG<br>ms", _of_study(lambda study: study.whole_ms)))
        columns.append(("inference of it alone<br>ms", _of_study(lambda study: study.inference_ms)))
    if not columns:
        return ""
    rows = [_row([_th(_named(entry)), *(_td(cell(entry.result)) for _, cell in columns)]) for entry in shown]
    note = '<p class="note">Median of all turns, with the smallest and the largest.</p>'
    body = _table(["configuration", *(name for name, _ in columns)], rows) + note
    return _section("Offline and burst", body, "whole")


def _of_study(values: Callable[[StudyResult], Sequence[float]]) -> Callable[[Result], str]:
    return lambda result: _spread(values(result.study) if result.study else (), 0)


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return _NONE
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle}<br><small>{min(values):.{digits}f} to {max(values):.{digits}f}</small>"


# --- pair by pair ----------------------------------------------------------------------------------------------------


def _ratios(report: Report) -> str:
    if not report.ratios:
        return ""
    looks = {entry.result.name: entry for entry in entries(report)}
    rows = [
        _row([
            _th(_look(found.name, looks)), _td(_look(found.baseline, looks), "words"), _td(f"{found.ratio:.2f}&times;"),
            _td(_interval(found)), _td(_ratio_in_words(found), "words"),
        ])
        for found in report.ratios
    ]  # fmt: skip
    columns = ["configuration", "compared with", "speed", f"{CONFIDENCE:.0%} interval", "so"]
    note = (
        f"Ratio of the p50s. The interval is a bootstrap of {RESAMPLES} resamples that draws rounds first, because a "
        "drifting machine moves whole rounds. Where it holds 1, the run does not show that the two differ."
    )
    return _section("Pair by pair", f'<p class="note">{note}</p>' + _table(columns, rows, words=(1, 4)))


def _ratio_in_words(found: Ratio) -> str:
    if found.within_noise:
        return "within noise"
    return "faster" if found.ratio > 1 else "slower"


def _limit(report: Report, shown: Sequence[Entry]) -> str:
    gflops = {(limit.runtime, limit.precision): limit.gflops for limit in report.limits}
    rows = [
        _row([
            _th(_named(entry)),
            _td(f"{result.macs / 1e6:,.0f}"),
            _td(_spread(gflops.get((result.runtime, result.precision), ()), 0)),
            _td(_ms(result.limit_ms)),
            _td(_ms(result.infer.p50_ms if result.infer else None)),
            _td(f"{result.times_limit:.1f}"),
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
    return _section("Beside the machine&rsquo;s limit", f'<p class="note">{note}</p>' + _table(columns, rows), "whole")


def _vendor(report: Report) -> str:
    if not report.vendor_benchmarks:
        return ""
    columns = [
        "artefact", "benchmark_app<br>ms", "ours on top<br>ms", "ours on top<br>%", "so", "command",
    ]  # fmt: skip
    looks = {entry.result.name: entry for entry in entries(report)}
    rows = [_row(_vendor_cells(found, looks)) for found in report.vendor_benchmarks]
    note = (
        "OpenVINO&rsquo;s own loop around the same artefact, in turns with our runtime in the same loop: no "
        f"preprocessing, no mask. Ours is meant to stay within {_OVERHEAD_SHARE:.0%} or {_OVERHEAD_MS:g} ms of it."
    )
    return _section(
        "Beside benchmark_app", f'<p class="note">{note}</p>' + _table(columns, rows, words=(4, 5)), "whole"
    )


def _vendor_cells(found: VendorBenchmark, looks: Mapping[str, Entry]) -> list[str]:
    theirs = median(found.median_ms) if found.median_ms else 0.0
    share = found.overhead_ms / theirs if theirs else math.inf
    within = found.overhead_ms < _OVERHEAD_MS or share < _OVERHEAD_SHARE
    return [
        _th(_look(found.result, looks)),
        _td(_spread(found.median_ms, 3)),
        _td(_signed(found.overhead_ms, 3) + _span(found)),
        _td(_signed(100 * share, 1) if theirs else _NONE),
        _td("within limits" if within else '<span class="bad-word">&#10007; over the limit</span>', "words"),
        _td(f"<code>{escape(found.command)}</code>", "words"),
    ]


def _span(found: VendorBenchmark) -> str:
    if found.low_ms is None or found.high_ms is None:
        return ""
    return f"<br><small>{_signed(found.low_ms, 3)} to {_signed(found.high_ms, 3)}</small>"


# --- slice by slice --------------------------------------------------------------------------------------------------


def _parity(shown: Sequence[Entry], disagreements: Sequence[Disagreement]) -> str:
    body = _matrices(shown) + _thumbnails(shown, disagreements)
    return _section("Slice by slice", body, "page") if body else ""


def _matrices(shown: Sequence[Entry]) -> str:
    """Slices by configurations, the worst slices first; several tables where one would be too wide for paper."""
    by_name = [{judged.name: judged for judged in entry.result.slices} for entry in shown]
    worst: dict[str, tuple[float, int]] = {}
    for judged in (judged for found in by_name for judged in found.values()):
        dice, changed = worst.get(judged.name, (1.0, 0))
        worst[judged.name] = min(dice, judged.dice), min(changed, -judged.changed_pixels)
    if not worst:
        return ""
    order = sorted(worst, key=lambda name: (worst[name], name))
    tables = []
    for start in range(0, len(shown), _MATRIX_COLUMNS):
        part = slice(start, start + _MATRIX_COLUMNS)
        columns = ["slice", "lesion<br>pixels", *(_matrix_head(entry) for entry in shown[part])]
        tables.append(_table(columns, [_row(_matrix_cells(name, by_name, part)) for name in order]))
    note = (
        "Dice against the reference and, where there are any, the changed pixels; the worst slices first. Lesion "
        f"pixels: the reference&rsquo;s. &#10007; marks a Dice below {DIFFERENT_LESION:g}."
    )
    return f'<p class="note">{note}</p>' + "".join(tables)


def _matrix_head(entry: Entry) -> str:
    return f'<span class="wrap">{_named(entry, tag=False)}</span>'


def _matrix_cells(name: str, by_name: Sequence[Mapping[str, SliceAccuracy]], part: slice) -> list[str]:
    lesion = next(found[name].reference_lesion_pixels for found in by_name if name in found)
    return [_th(escape(name)), _td(_count(lesion)), *(_matrix_cell(found.get(name)) for found in by_name[part])]


def _matrix_cell(judged: SliceAccuracy | None) -> str:
    if judged is None:
        return _td(_NONE)
    changed = f"<br><small>{_count(judged.changed_pixels)} px</small>" if judged.changed_pixels else ""
    if judged.dice < DIFFERENT_LESION:
        return _td(f"&#10007; {_dice(judged.dice)}{changed}", "bad")
    return _td(_dice(judged.dice) + changed)


def _thumbnails(shown: Sequence[Entry], disagreements: Sequence[Disagreement]) -> str:
    if not disagreements:
        if shown and not any(entry.result.changed_pixels for entry in shown):
            return "<p>Every configuration draws every slice exactly as the reference does.</p>"
        return ""
    looks = {entry.result.name: entry for entry in shown}
    names = [*looks, *(found.result for found in disagreements if found.result not in looks)]
    groups = []
    for name in dict.fromkeys(names):
        pictures = "".join(_picture(found) for found in disagreements if found.result == name)
        if pictures:
            groups.append(f'<h3>{_look(name, looks)}</h3>\n<div class="thumbnails">{pictures}</div>')
    return "<h3>The worst slices</h3>" + _legend() + "\n".join(groups)


def _legend() -> str:
    return (
        '<ul class="legend">'
        f'<li><i class="line" style="color: {REFERENCE_COLOUR}"></i>outline of the reference</li>'
        f'<li><i class="dashes" style="color: {ARTIFACT_COLOUR}"></i>outline of the configuration, dashed</li>'
        f'<li><i style="background: {CHANGED_COLOUR}"></i>changed pixels</li></ul>'
    )


def _picture(found: Disagreement) -> str:
    png = base64.b64encode(thumbnail(found.image, found.reference, found.artifact)).decode("ascii")
    bad = ' <span class="bad-word">&#10007; another lesion</span>' if found.dice < DIFFERENT_LESION else ""
    words = f"slice {found.slice_name}: masks of the reference and of {found.result}"
    return (
        f'<figure><img src="data:image/png;base64,{png}" alt="{escape(words)}">'
        f"<figcaption>{_bold(found.slice_name)}<br>Dice {_dice(found.dice)}, "
        f"{_count(found.changed_pixels)} px changed{bad}</figcaption></figure>\n"
    )


# --- failures, method, machine ---------------------------------------------------------------------------------------


def _failures(report: Report) -> str:
    if not report.failures:
        return _section("Failures", "<p>Nothing failed: every configuration was measured.</p>", "page")
    rows = [_row([_th(_bold(found.name)), _td(escape(found.reason), "words")]) for found in report.failures]
    return _section("Failures", _table(["not measured", "why"], rows, words=(1,)), "page")


def _method(report: Report) -> str:
    method = report.method
    facts = [
        *((escape(name), escape(_SCENARIOS.get(name, ""))) for name in method.scenarios),
        ("turns", _turns_in_words(method)),
        (
            "threads",
            "each runtime&rsquo;s own choice" if method.threads is None else f"{method.threads} for each runtime",
        ),
        ("accuracy", f"against {escape(report.reference)}"),
        ("samples", "every sample counts; the warm-up comes before them and is in no figure"),
        ("slices", f"{len(method.slices)} of {escape(method.slice_size)} pixels"),
    ]
    names = "".join(f"<li>{escape(name)}</li>" for name in method.slices)
    return _section("Method", _facts(facts) + f'<ul class="names">{names}</ul>')


def _turns_in_words(method: Method) -> str:
    return (
        f"each configuration in a process of its own, {method.duration_s:g} s for each scenario and at least "
        f"{_count(method.min_samples)} samples, in {method.rounds} rounds in turn with the others; the others sleep "
        "meanwhile"
    )


def _machine(report: Report) -> str:
    machine = report.machine
    facts = [
        ("name", escape(machine.name)),
        ("processor", f"{escape(machine.processor)}, {_many(machine.cores, 'core')}"),
        ("memory", f"{machine.memory_gb:.1f} GB"),
        ("system", escape(machine.system)),
        *((escape(name), escape(version)) for name, version in machine.versions.items()),
    ]
    return _section("Machine and versions", _facts(facts), "whole")


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts)}</dl>"


# --- pieces; whatever they take is HTML already ----------------------------------------------------------------------


def _section(title: str, body: str, kind: str = "") -> str:
    """`kind`: "page" begins a sheet of paper, "whole" is not torn apart on it."""
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{body}\n</section>'


def _figure(plot: str, note: str) -> str:
    caption = f'<figcaption class="note">{note}</figcaption>' if note else ""
    return f'<figure><div class="plot">{plot}</div>{caption}</figure>'


def _table(columns: Sequence[str], rows: Sequence[str], words: Collection[int] = ()) -> str:
    """`words`: columns other than the first that hold words, not figures."""
    kinds = ("words" if i in words else "" for i in range(len(columns)))
    head = "".join(f'<th scope="col"{_class(kind)}>{name}</th>' for name, kind in zip(columns, kinds, strict=True))
    narrow = _class("narrow" if len(columns) < _FULL_WIDTH_COLUMNS else "")
    return (
        f'<div class="wide"><table{narrow}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>\n"
    )


def _row(cells: Sequence[str], *, bad: bool = False) -> str:
    return f"<tr{_class('bad' if bad else '')}>{''.join(cells)}</tr>"


def _th(content: str) -> str:
    return f'<th scope="row">{content}</th>'


def _td(content: str, kind: str = "") -> str:
    return f"<td{_class(kind)}>{content}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


# --- words and figures: plain values in, HTML out --------------------------------------------------------------------


def _differs(result: Result) -> bool:
    return result.dice_worst < DIFFERENT_LESION


def _named(entry: Entry, *, tag: bool = True) -> str:
    """The name with its colour; peers have a square and, with `tag`, the word."""
    shape = "swatch peer" if entry.peer else "swatch"
    word = ' <span class="tag">peer</span>' if entry.peer and tag else ""
    swatch = f'<span class="{shape}" style="background: {entry.colour}"></span>'
    return f"{swatch}{_bold(entry.result.name) if not entry.peer else escape(entry.result.name)}{word}"


def _look(name: str, looks: Mapping[str, Entry]) -> str:
    return _named(looks[name], tag=False) if name in looks else _bold(name)


def _bold(text: str) -> str:
    return f"<b>{escape(text)}</b>"


def _interval(found: Ratio) -> str:
    return f"{found.low:.2f} to {found.high:.2f}"


def _ms(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _dice(value: float) -> str:
    """Four digits, cut: 1.0000 is said of identical masks alone."""
    return f"{math.floor(value * 1e4 + 1e-9) / 1e4:.4f}"


def _signed(value: float, digits: int = 2) -> str:
    """With a true minus sign, and no sign before a zero."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}".replace("-", "&minus;") if rounded else f"{0:.{digits}f}"


def _count(value: int) -> str:
    """Thousands apart by a narrow space."""
    return f"{value:,}".replace(",", "&#8239;")


def _many(count: int, noun: str) -> str:
    return f"{_count(count)} {noun}{'' if count == 1 else 's'}"
