"""`report.html`: a report as one self-contained page that opens without a network and prints on A4.

All text of a report goes through `in_html`.
"""

from collections.abc import Sequence
from datetime import datetime, timezone

from miniseg_edge.benchmarks.html.costs import costs_section, scenarios_section, stages_section
from miniseg_edge.benchmarks.html.disagreement import Disagreement
from miniseg_edge.benchmarks.html.method import failures_section, machine_section, method_section
from miniseg_edge.benchmarks.html.pairs import limit_section, ratios_section, vendor_section
from miniseg_edge.benchmarks.html.parity import parity_section
from miniseg_edge.benchmarks.html.speed import accuracy_section, latency_section, main_section
from miniseg_edge.benchmarks.html.verdict import verdict_section
from miniseg_edge.benchmarks.plots import entries
from miniseg_edge.benchmarks.report import Report
from miniseg_edge.pages.document import document
from miniseg_edge.printable import in_html


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
    title = f"MiniSeg Edge benchmark: {in_html(report.bundle)}"
    digest = f"Bundle digest <code>{in_html(report.bundle_digest)}</code>."
    return document(title, parts, f"{digest} All samples are in report.json.")


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
