import dataclasses

from miniseg_edge.benchmarks.html import html_from_report
from miniseg_edge.benchmarks.report import Report
from tests.benchmarks.html.reports import BASELINE, PEERS, RESULTS, Page, report_of


class TestVerdict:
    def said(self, report: Report) -> str:
        page = html_from_report(report, ())
        return Page(
            page[page.index('<p class="verdict') : page.index("</p>", page.index('<p class="verdict')) + 4]
        ).text

    def test_a_fastest_artefact_that_draws_another_lesion_is_not_praised(self) -> None:
        wrong = dataclasses.replace(RESULTS[1], dice_worst=0.6)
        said = self.said(report_of([RESULTS[0], wrong]))
        assert "It segments another lesion than the reference: Dice falls to 0.6000" in said
        assert "The fastest with its masks is openvino fp32" in said

    def test_none_draws_the_masks(self) -> None:
        wrong = [dataclasses.replace(result, dice_worst=0.6) for result in RESULTS]
        assert "None of our artefacts draws the reference\u2019s masks." in self.said(report_of(wrong))

    def test_a_busy_machine(self) -> None:
        busy = dataclasses.replace(report_of(), busy=0.62)
        assert "Other programs took 62% of this machine" in self.said(busy)
        assert "Other programs" not in self.said(dataclasses.replace(busy, busy=0.05))

    def test_within_noise(self) -> None:
        said = self.said(report_of([RESULTS[2]]))
        assert "The artefact measured is onnxruntime fp32" in said
        assert f"Its speed is within noise of the baseline, {BASELINE}: 1.0" in said
        assert "draws the reference\u2019s masks exactly, in all of 8 slices" in said

    def test_slower_than_the_baseline(self) -> None:
        said = self.said(report_of([dataclasses.replace(PEERS[2], name="torch eager")], PEERS[:2]))
        assert f"It is slower than the baseline, {BASELINE}: 0.3" in said

    def test_the_baseline_itself(self) -> None:
        assert "itself the baseline" in self.said(report_of(RESULTS[:1], (), "openvino fp32"))

    def test_no_interval(self) -> None:
        assert "no interval was computed" in self.said(dataclasses.replace(report_of(), ratios=()))

    def test_nothing_of_ours(self) -> None:
        assert "None of our artefacts could be measured" in self.said(report_of([]))
