"""The page loads nothing, runs nothing and shows attacks as text."""

import re

import pytest

from miniseg_edge.benchmarks.html import html_from_report
from tests.benchmarks.html.reports import DISAGREEMENTS, HOSTILE, Page, hostile_page, report_of


class TestSelfContained:
    @pytest.mark.parametrize("kind", ["plain", "hostile"])
    def test_loads_nothing_and_runs_nothing(self, kind: str, text: str) -> None:
        for tag, attributes in Page(hostile_page() if kind == "hostile" else text).tags:
            assert tag not in ("script", "link", "iframe", "object", "embed", "base", "a", "image")
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                    assert value.startswith(("data:image/png;base64,", "#")), (tag, value)
                assert name == "alt" or "http" not in value.replace("http-equiv", ""), (tag, name, value)
                assert not re.search(r"url\((?!#)", value), (tag, value)

    def test_names_no_address(self, text: str) -> None:
        assert not re.search(r"https?://|@import|//cdn", text)

    def test_a_hostile_report_has_the_tags_of_a_harmless_one(self) -> None:
        tags = {tag for tag, _ in Page(hostile_page()).tags}
        assert tags <= {tag for tag, _ in Page(html_from_report(report_of(), DISAGREEMENTS)).tags}
        assert "<script" not in hostile_page()

    def test_hostile_names_are_shown_as_they_are(self) -> None:
        page = Page(hostile_page())
        assert page.headings[0] == f"MiniSeg Edge benchmark: {HOSTILE}"
        assert page.text.count("<script>alert(1)</script>") > 20

    def test_forbids_itself_everything_else(self, page: Page) -> None:
        policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
