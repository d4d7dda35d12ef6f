"""What a run and its page say of rows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from miniseg_edge.errors import OutputExistsError
from miniseg_edge.runtimes.archive.overview.page import MOST_BARS, MOST_WORKERS, html_from_tally
from miniseg_edge.runtimes.archive.overview.report import write_report
from miniseg_edge.runtimes.archive.overview.state import MOST_COLUMNS, RunState
from miniseg_edge.runtimes.archive.overview.tally import EXAMPLES, tally_of
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main
from tests.benchmarks.html.reports import Page
from tests.browser import browse, needs_chromium
from tests.runtimes.archive.archives import SERIES, of_series, write_archive
from tests.runtimes.archive.test_table import ROW
from tests.studies.series import write_series

HOSTILE = '</td><script>alert(1)</script><img src="http://evil.example">'
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def made(number: int, after: timedelta, **changes: object) -> Row:
    done = {
        **{"key": f"{number:032x}", "source": "secret/name", "status": "done", "error_code": None, "error": None},
        **{"slices": 40, "lesion_volume_ml": 0.0, "runtime": "openvino", "device": "cpu", "seconds": 70.0},
        **{"fetch_s": 7.0, "open_s": 7.0, "segment_s": 42.0, "write_s": 10.5, "created": (START + after).isoformat()},
    }
    return replace(ROW, **{**done, **changes})  # type: ignore[arg-type]


def many(count: int = 5000) -> Iterator[Row]:
    """A run of some hours, with a pause of a week, several workers and failures of every kind."""
    for number in range(count):
        after = timedelta(seconds=number * 3) + timedelta(days=7 * (number > count // 2))
        worker = f"host-{number % 25}-{number > count // 2}"
        if number % 10:
            yield made(number, after, lesion_volume_ml=(number % 7) ** 4 / 10, worker=worker)
        else:
            failed = {
                "status": "failed",
                "error_code": ("INPUT", "GEOMETRY_GAP")[number % 20 == 0],
                "error": "of Mr Miller",
            }
            yield made(number, after, **failed, slices=0, lesion_volume_ml=None, runtime=None, worker=worker)


def test_a_page_says_what_came_of_the_archive() -> None:
    page = Page(html_from_tally(tally_of(many()), "results"))
    assert page.headings == [
        "Archive: results", "Throughput", "What the workers\N{APOSTROPHE} time went to", "Failures", "Lesion volumes",
        "Workers: 50",
    ]  # fmt: skip
    for said in (
        "5,000 series: 4,500 done, 500 failed, 0 skipped", "without 1 pause of over 60 minutes",
        "2026-01-01 00:00 UTC to 2026-01-08 04:09 UTC", "a slice is missing", "10 more workers",
    ):  # fmt: skip
        assert said.lower() in page.text.lower(), said
    assert page.row("GEOMETRY_GAP")[1][1:3] == ["failed", "250"]
    assert sum(tag == "code" for tag, _ in page.tags) == 2 * EXAMPLES
    assert len([1 for _, cells in page.rows if cells[0].startswith("host-")]) == MOST_WORKERS
    assert sum(tag == "rect" for tag, _ in page.tags) < MOST_BARS + 50


def test_a_page_names_nobody() -> None:
    page = html_from_tally(tally_of(many()), "results")
    assert "secret" not in page
    assert "Miller" not in page


def test_names_of_others_are_text() -> None:
    rows = [made(1, timedelta(), status="failed", error_code=HOSTILE, worker=HOSTILE, runtime=HOSTILE)]
    page = Page(html_from_tally(tally_of(rows), HOSTILE))
    assert {tag for tag, _ in page.tags} & {"script", "img", "a", "link"} == set()
    assert page.text.count("alert(1)") >= 3


def test_nothing_is_a_page_too() -> None:
    assert Page(html_from_tally(tally_of([]), "results")).headings == ["Archive: results", "Failures"]


def test_what_limits_is_the_longest_part() -> None:
    assert tally_of(many()).limit == "segmenting"
    assert tally_of([made(1, timedelta(), fetch_s=50.0, seconds=110.0)]).limit == "fetching"
    apart = [made(number, timedelta(hours=number), worker="one") for number in range(3)]
    assert tally_of(apart).limit == "between series"
    assert tally_of([]).limit is None


def test_a_line_of_progress_fits_into_a_terminal() -> None:
    state = RunState()
    assert state.reached("finding", 0, 10)
    assert not state.reached("finding", 5_000_000, 10_000_000)
    assert re.fullmatch(r"finding 5,000,000 of 10,000,000, .* left, .* files/s", state.line)
    for row in many(100):
        state.seen(row)
    assert state.reached("segmenting", 100, 1_000_000)
    assert "10 failed: " in state.note
    assert "GEOMETRY_GAP 5" in state.note
    for number, code in enumerate(("UNSUPPORTED_FORMAT", "NO_GEOMETRY", "NOT_AXIAL")):
        state.seen(made(number, timedelta(), status="failed", error_code=code))
    assert len(state.line) == MOST_COLUMNS


def test_a_command_writes_the_page_and_shows_the_workers_time(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, file = write_archive(tmp_path / "in"), tmp_path / "report.html"
    words = [str(demo_bundle_path), str(archive), "--output", str(tmp_path / "out"), "--distributed", "in-process"]
    assert main([*words, "--report", str(file)]) == 1
    assert re.search(r"segmenting +\d+% ", capsys.readouterr().out)
    page = Page(file.read_text())
    assert f"{SERIES} series: 7 done, 4 failed, 2 skipped" in page.text
    keys = {row.key for row in rows_in(tmp_path / "out") if row.error_code == "UNSUPPORTED_FORMAT"}
    assert all(key in page.text for key in keys)
    write_report(tmp_path / "out", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == file.read_text()
    write_report(tmp_path / "out", file)


def test_another_file_is_not_replaced(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 3, of_series(1))
    (tmp_path / "thesis.html").write_text("<title>mine</title>")
    words = [str(demo_bundle_path), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    words += ["--distributed", "in-process", "--report", str(tmp_path / "thesis.html")]
    assert main(words) == 1
    assert not (tmp_path / "out").exists(), "before any work"
    with pytest.raises(OutputExistsError):
        write_report(tmp_path, tmp_path)


@pytest.mark.slow
@needs_chromium
def test_a_browser_shows_it(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html_from_tally(tally_of(many()), "results"), encoding="utf-8")
    picture = tmp_path / "report.png"
    browse(tmp_path, f"--screenshot={picture}", "--window-size=1100,2600", (tmp_path / "report.html").as_uri())
    assert picture.stat().st_size > 20_000
