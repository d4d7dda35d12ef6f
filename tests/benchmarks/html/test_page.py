"""What the page says, and what it leaves out where nothing was measured."""

import base64
import dataclasses
import re
from html import escape

import numpy as np
import pytest

from miniseg_edge.benchmarks.html import html_from_report, ratio_between
from miniseg_edge.benchmarks.report import StudyResult, VendorBenchmark
from miniseg_edge.benchmarks.statistics import Growth, distribution
from miniseg_edge.benchmarks.tables import show_report
from tests.benchmarks.html.reports import BASELINE, DISAGREEMENTS, PEERS, RESULTS, Page, pixels_of, report_of, untimed


class TestContent:
    def test_says_everything_in_order(self, page: Page) -> None:
        assert page.headings == [
            "MiniSeg Edge benchmark: lung-fold1", "Speed and accuracy", "Latency", "Speed against accuracy",
            "Stages of a slice", "Start, memory, processor time", "Offline and burst", "Pair by pair",
            "Beside the machine\N{RIGHT SINGLE QUOTATION MARK}s limit", "Beside benchmark_app", "Slice by slice",
            "Failures", "Method", "Machine and versions",
        ]  # fmt: skip
        for said in (
            "7 March 2026, 09:05 UTC on ward-7", "9f2c" * 16,
            "ONNX Runtime static INT8", "a tensor has no calibrated range", "8 of 512 x 512 pixels",
            "8 for each runtime", "the FP32 network in torch", "in 5 rounds", "2025.4.0",
            "benchmark_app -m model.xml", "within limits", "Multiplications by zeros", "204",
        ):  # fmt: skip
            assert said in page.text, said

    def test_the_verdict_names_the_fastest_its_ratio_and_its_masks(self, page: Page) -> None:
        found = ratio_between(report_of(), "openvino bf16", BASELINE)
        assert found is not None
        for said in (
            "The fastest of our artefacts is openvino bf16: half of all slices take less than "
            f"{RESULTS[1].p50_ms:.2f} ms",
            f"It is {found.ratio:.2f} times as fast as the baseline, {BASELINE} (95% interval "
            f"{found.low:.2f} to {found.high:.2f})",
            "draws the reference\u2019s masks but for",
            "Faster still among the peers: NNCF default INT8, 1.",
            "times as fast, but it segments another lesion.",
        ):
            assert said in page.text, said

    def test_the_table_marks_peers_baseline_and_another_lesion(self, page: Page) -> None:
        kind, cells = page.row("NNCF default INT8")
        assert kind == "bad"
        assert "peer" in cells[0]
        assert "\u2717 another lesion" in cells[0]
        assert cells[8] == "0.8127"
        kind, cells = page.row(BASELINE)
        assert kind == ""
        assert "baseline" in cells[0]
        assert page.row("openvino bf16")[0] == ""
        assert "peer" not in page.row("openvino bf16")[1][0]
        assert len({len(cells) for _, cells in page.rows[:7]}) == 1

    def test_a_dice_of_one_is_said_of_equal_masks_alone(self) -> None:
        nearly = dataclasses.replace(RESULTS[0], dice_mean=0.999999, dice_worst=0.99999, changed_pixels=1)
        assert Page(html_from_report(report_of([nearly], []), ())).row("openvino fp32")[1][7:9] == ["0.9999"] * 2

    def test_noise_is_said_in_words(self, page: Page) -> None:
        pair = next(cells for _, cells in page.rows if cells[:2] == ["onnxruntime fp32", BASELINE])
        assert pair[4] == "within noise"
        pair = next(cells for _, cells in page.rows if cells[:2] == ["openvino bf16", "openvino fp32"])
        assert pair[4] == "faster"

    def test_labels_bring_a_column(self) -> None:
        judged = [dataclasses.replace(result, mean_iou=0.81234) for result in RESULTS]
        assert Page(html_from_report(report_of(judged), ())).row("openvino fp32")[1][10] == "0.8123"

    def test_growth_is_said_in_words(self) -> None:
        leaking = dataclasses.replace(RESULTS[0], rss_growth_mb=Growth(12.0, 11.0, 13.0))
        said = Page(html_from_report(report_of([leaking, RESULTS[1]]), ())).text
        assert "\u25b2 grows" in said
        assert "no growth seen" in said

    def test_thumbnails_are_pictures_with_a_text(self, page: Page) -> None:
        pictures = [attributes for tag, attributes in page.tags if tag == "img"]
        assert len(pictures) == len(DISAGREEMENTS)
        data = base64.b64decode(pictures[0]["src"].removeprefix("data:image/png;base64,"))
        assert pixels_of(data).std() > 20
        assert "phantom-0001" in pictures[0]["alt"] + pictures[3]["alt"]

    def test_every_configuration_is_in_every_plot(self, text: str) -> None:
        plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert len(plots) == 3
        for plot in plots:
            assert all(escape(result.name) in plot for result in (*RESULTS, *PEERS))

    def test_ids_are_unique(self, page: Page) -> None:
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))

    def test_is_the_same_each_time(self, text: str) -> None:
        assert html_from_report(report_of(), DISAGREEMENTS) == text


class TestWhatIsMissing:
    def test_offline_alone(self) -> None:
        report = report_of([untimed(r) for r in RESULTS], [untimed(r) for r in PEERS])
        page = Page(html_from_report(dataclasses.replace(report, ratios=(), vendor_benchmarks=()), ()))
        assert page.row("openvino bf16")[1][1:4] == ["\u2013"] * 3
        assert "there are no latencies" in page.text
        assert "slices a second" in page.text
        assert "throughput, slices/s" in page.text
        assert "Stages of a slice" not in page.headings
        assert "Pair by pair" not in page.headings

    def test_burst(self) -> None:
        burst = dataclasses.replace(
            untimed(RESULTS[0]), burst_first_ms=(9.0, 8.0, 9.5), burst_last_ms=(512.0, 498.0, 530.0)
        )
        page = Page(html_from_report(report_of([burst], []), ()))
        assert any(cells[2:] == ["9.08.0 to 9.5", "512498 to 530"] for _, cells in page.rows)

    def test_burst_from_dicom_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        study = StudyResult(300, (350.0, 340.0, 380.0), (5100.0, 5000.0, 5400.0), (4400.0, 4300.0, 4500.0))
        burst = dataclasses.replace(untimed(RESULTS[0]), study=study, cold_start_s=(), first_inference_ms=())
        show_report(report_of([burst], []))
        assert re.search(r"300 +350 +5\.10 +4\.40 +1\.16", capsys.readouterr().out)
        page = Page(html_from_report(report_of([burst], []), ()))
        assert any(cells[2:] == ["350340 to 380", "51005000 to 5400", "44004300 to 4500"] for _, cells in page.rows)

    def test_no_peers_no_disagreements_no_failures(self) -> None:
        report = report_of([RESULTS[0]], (), "openvino fp32")
        page = Page(html_from_report(dataclasses.replace(report, failures=(), vendor_benchmarks=(), ratios=()), ()))
        assert "Nothing failed" in page.text
        assert "Every configuration segments every slice exactly as the reference does." in page.text
        assert not [tag for tag, _ in page.tags if tag == "img"]

    def test_nothing_at_all(self) -> None:
        report = dataclasses.replace(report_of([], ()), ratios=(), vendor_benchmarks=())
        assert "None of our artefacts could be measured" in Page(html_from_report(report, ())).text

    def test_empty_lists_and_equal_samples(self) -> None:
        flat = distribution(np.full(10, 5.0))
        bare = dataclasses.replace(
            RESULTS[0], cold_start_s=(), first_inference_ms=(), offline_slices_per_s=(), slices=(), latency=flat,
            prepare=flat, infer=flat, finish=flat, rounds_ms=((5.0,) * 10, ()),
        )  # fmt: skip
        vendor = (VendorBenchmark("of nobody", "benchmark_app", (), 0.3),)
        page = Page(html_from_report(dataclasses.replace(report_of([bare], ()), vendor_benchmarks=vendor), ()))
        assert "over the limit" in page.text

    def test_a_date_of_no_known_form_is_shown_as_it_is(self) -> None:
        assert (
            "some day on ward-7"
            in Page(html_from_report(dataclasses.replace(report_of(), created="some day"), ())).text
        )
