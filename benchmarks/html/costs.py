"""Where time and memory go."""

from collections.abc import Callable, Sequence

from miniseg_edge.benchmarks.html.words import count_in_words, ms, named, signed, spread
from miniseg_edge.benchmarks.plots import STAGES, Entry, stage_plot
from miniseg_edge.benchmarks.report import Result, StudyResult
from miniseg_edge.benchmarks.statistics import CONFIDENCE, Distribution, Growth
from miniseg_edge.pages.pieces import figure, row, section, table_of, td, th

_SERIOUS_GROWTH_MB = 1.0


def stages_section(shown: Sequence[Entry]) -> str:
    """The time of preparing, inference and finishing."""
    plot = stage_plot(shown)
    if not plot:
        return ""
    rows = []
    for entry in shown:
        stages = (entry.result.prepare, entry.result.infer, entry.result.finish)
        if all(stage is not None for stage in stages):
            figures = (f(stage) for stage in stages if stage is not None for f in (_p50, _p99))
            samples = sum(map(len, entry.result.rounds_ms))
            rows.append(row([th(named(entry)), td(count_in_words(samples)), *(td(ms(value)) for value in figures)]))
    columns = [
        "configuration",
        "samples",
        *(f"{stage}<br>{percentile} ms" for stage in STAGES for percentile in ("p50", "p99")),
    ]
    return section("Stages of a slice", figure(plot, "") + table_of(columns, rows), "page")


def _p50(stage: Distribution) -> float:
    return stage.p50_ms


def _p99(stage: Distribution) -> float:
    return stage.p99_ms


def costs_section(shown: Sequence[Entry]) -> str:
    """Start, memory, processor time."""
    if not shown:
        return ""
    columns = [
        "configuration", "cold start<br>s", "load alone<br>ms", "first inference<br>ms", "steady<br>MB", "peak<br>MB",
        "growth<br>MB a minute", "CPU<br>ms a slice", "warm-up<br>slices",
    ]  # fmt: skip
    rows = [row(_cost_cells(entry)) for entry in shown]
    note = (
        "Cold start: process start to first mask; median of all starts, with the shortest and the longest. Load alone: "
        "importing the runtime, opening the bundle and its network. Growth: "
        f"slope of resident memory after the warm-up, with its {CONFIDENCE:.0%} interval. Warm-up slices are in no "
        "other figure."
    )
    body = table_of(columns, rows) + f'<p class="note">{note}</p>'
    return section("Start, memory, processor time", body, "whole")


def _cost_cells(entry: Entry) -> list[str]:
    result, growth = entry.result, entry.result.rss_growth_mb
    slope = f"{signed(growth.per_minute)} ({signed(growth.low)} to {signed(growth.high)})"
    return [
        th(named(entry)),
        td(spread(result.cold_start_s, 2)),
        td(spread(result.load_ms, 0)),
        td(spread(result.first_inference_ms, 0)),
        td(count_in_words(round(result.steady_rss_mb))),
        td(count_in_words(round(result.peak_rss_mb))),
        td(f"{_growth_in_words(growth)}<br><small>{slope}</small>"),
        td(f"{result.cpu_s_per_slice * 1e3:.1f}"),
        td(count_in_words(result.warm_up_slices)),
    ]


def _growth_in_words(growth: Growth) -> str:
    if not growth.grows:
        return "no growth seen"
    return '<span class="bad-word">&#9650; grows</span>' if growth.low > _SERIOUS_GROWTH_MB else "grows slightly"


def scenarios_section(shown: Sequence[Entry]) -> str:
    """Offline and burst, if they were run."""
    columns: list[tuple[str, Callable[[Result], str]]] = []
    if any(entry.result.offline_slices_per_s for entry in shown):
        columns.append(("offline<br>slices/s", lambda result: spread(result.offline_slices_per_s, 1)))
    if any(entry.result.burst_last_ms for entry in shown):
        columns.append(("burst: first mask<br>ms", lambda result: spread(result.burst_first_ms, 1)))
        columns.append(("burst: last mask<br>ms", lambda result: spread(result.burst_last_ms, 0)))
    if any(entry.result.study for entry in shown):
        columns.append(("CT: first mask<br>ms", _of_study(lambda study: study.first_mask_ms)))
        columns.append(("CT: DICOM to DICOM SEG<br>ms", _of_study(lambda study: study.whole_ms)))
        columns.append(("inference of it alone<br>ms", _of_study(lambda study: study.inference_ms)))
    if not columns:
        return ""
    rows = [row([th(named(entry)), *(td(cell(entry.result)) for _, cell in columns)]) for entry in shown]
    note = '<p class="note">Median of all turns, with the smallest and the largest.</p>'
    body = table_of(["configuration", *(name for name, _ in columns)], rows) + note
    return section("Offline and burst", body, "whole")


def _of_study(values: Callable[[StudyResult], Sequence[float]]) -> Callable[[Result], str]:
    return lambda result: spread(values(result.study) if result.study else (), 0)
