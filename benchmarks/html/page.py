"""`report.html`: a report as one self-contained page that opens without a network and prints on A4.

The page needs no script and forbids everything except its own style and pictures. All text of a report goes through
`in_html`.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.resources import files

from miniseg_edge.benchmarks.html.costs import costs_section, scenarios_section, stages_section
from miniseg_edge.benchmarks.html.disagreement import Disagreement
from miniseg_edge.benchmarks.html.method import failures_section, machine_section, method_section
from miniseg_edge.benchmarks.html.pairs import limit_section, ratios_section, vendor_section
from miniseg_edge.benchmarks.html.parity import parity_section
from miniseg_edge.benchmarks.html.speed import accuracy_section, latency_section, main_section
from miniseg_edge.benchmarks.html.verdict import verdict_section
from miniseg_edge.benchmarks.plots import entries
from miniseg_edge.benchmarks.report import Report
from miniseg_edge.printable import in_html

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_from_report(report: Report, disagreements: Sequence[Disagreement]) -> str:
    """The page.

    Args:
        report: what was measured.
        disagreements: slices to show, as many per configuration as the page should have.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    shown = entries(report)
    parts = (
        _head(report), verdict_section(report),
        main_section(report, shown), latency_section(shown), accuracy_section(report, shown),
        stages_section(shown), costs_section(shown), scenarios_section(shown),
        ratios_section(report), limit_section(report, shown), vendor_section(report),
        parity_section(shown, disagreements),
        failures_section(report), method_section(report), machine_section(report),
    )  # fmt: skip
    style = files("miniseg_edge.benchmarks.html").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>MiniSeg Edge benchmark: {in_html(report.bundle)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>Bundle digest <code>{in_html(report.bundle_digest)}</code>. "
        "All samples are in report.json.</footer>\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    return (
        f"<header><h1>MiniSeg Edge benchmark: {in_html(report.bundle)}</h1>\n"
        f'<p class="where">{in_html(_date(report.created))} on {in_html(report.machine.name)}</p></header>'
    )


def _date(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone(timezone.utc).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    except ValueError:
        return created
