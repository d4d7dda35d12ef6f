import pytest

from miniseg_edge.benchmarks.html import html_from_report
from tests.benchmarks.html.reports import DISAGREEMENTS, Page, report_of


@pytest.fixture(scope="module")
def text() -> str:
    return html_from_report(report_of(), DISAGREEMENTS)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)
