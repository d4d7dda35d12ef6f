"""The comparison as text: in the terminal, and as one self-contained page, `networks.html`."""

import base64

from miniseg_edge.benchmarks.networks.report import NetworkResult, NetworksReport
from miniseg_edge.console import terminal
from miniseg_edge.pages.document import document
from miniseg_edge.printable import in_html

COLUMNS = (
    "", "parameters", "GMAC", "p50 ms", "p90", "times the first's p50", "slices/s", "peak MB", "model MB",
    "worst Dice with torch", "flips", "mIoU", "Dice",
)  # fmt: skip


def rows(report: NetworksReport) -> list[tuple[str, ...]]:
    """The table's cells as text, one row a result, in the order of `COLUMNS`."""
    return [_row(result) for result in report.results]


def _row(result: NetworkResult) -> tuple[str, ...]:
    relative = result.relative
    times = "1" if relative is None else f"{1 / relative.ratio:.2f} ({1 / relative.high:.2f}..{1 / relative.low:.2f})"
    return (
        result.name,
        f"{result.parameters:,}",
        f"{result.macs / 1e9:.2f}",
        f"{result.latency.p50_ms:.1f}",
        f"{result.latency.p90_ms:.1f}",
        times,
        f"{result.throughput_slices_per_s:.1f}",
        f"{result.peak_rss_mb:.0f}",
        f"{result.model_mb:.1f}",
        f"{result.parity_dice_worst:.4f}",
        f"{result.parity_flips:,}",
        _accuracy(result, result.mean_iou),
        _accuracy(result, result.dice),
    )


def _accuracy(result: NetworkResult, value: float | None) -> str:
    if value is not None:
        return f"{value:.4f}"
    return "no labels" if result.trained else "not trained"


def show_networks(report: NetworksReport) -> None:
    """The table, how to read it, and failures."""
    terminal.table(f"{report.machine.name}", COLUMNS, rows(report))
    for line in notes(report):
        terminal.say(line)
    for failure in report.failures:
        terminal.warn(f"not measured: {failure.name}: {failure.reason}")


def notes(report: NetworksReport) -> tuple[str, ...]:
    """The meaning of the figures, for the quick reader."""
    first, method = report.results[0].label, report.method
    return (
        f"{method.slice_size}, {len(method.slices)} slices, {method.rounds} rounds in turns, a process a turn; latency "
        f"is end to end, single-stream, at least {method.min_samples} samples a row",
        f"times the first's p50: against {first} on the same runtime in the same precision, with the 95 % interval; "
        "above 1 is slower",
        "flips and worst Dice: the artefact's masks against the same network's in torch, when it was exported",
    )


def html_from_networks(report: NetworksReport, picture: bytes) -> str:
    """The page: no script, nothing from outside.

    Args:
        report: what was measured.
        picture: the plot as a PNG.
    """
    heads = "".join(f'<th class="wrap">{in_html(column)}</th>' for column in COLUMNS)
    body = "".join(
        "<tr>"
        + "".join(f"<{tag}>{in_html(cell)}</{tag}>" for tag, cell in zip(_tags(row), row, strict=True))
        + "</tr>\n"
        for row in rows(report)
    )
    failures = "".join(f"<li><b>{in_html(f.name)}</b>: {in_html(f.reason)}</li>\n" for f in report.failures)
    said = "\n".join(f'<p class="note">{in_html(line)}.</p>' for line in notes(report))
    parts = (
        "<header><h1>Networks compared</h1>\n"
        f'<p class="where">{in_html(report.created)} on {in_html(report.machine.name)}</p></header>',
        f'<img alt="Each network by latency" style="width:100%" '
        f'src="data:image/png;base64,{base64.b64encode(picture).decode()}">',
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table></div>',
        said,
        f"<h2>Not measured</h2>\n<ul>\n{failures}</ul>" if failures else "",
    )
    return document("MiniSeg Edge: networks compared", parts, "All samples are in networks.json.")


def _tags(row: tuple[str, ...]) -> list[str]:
    return ["th", *["td"] * (len(row) - 1)]
