import base64
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.benchmarks.html import Disagreement, html_from_report, ratio_between
from miniseg_edge.benchmarks.plots import Entry, accuracy_plot, latency_plot, placed_labels, stage_plot, thumbnail
from miniseg_edge.benchmarks.report import (
    Failure,
    Limit,
    Machine,
    Method,
    Report,
    Result,
    SliceAccuracy,
    StudyResult,
    VendorBenchmark,
)
from miniseg_edge.benchmarks.statistics import Growth, Ratio, distribution, ratio
from miniseg_edge.benchmarks.tables import show_report
from miniseg_edge.opencv import cv2
from miniseg_edge.phantoms import phantom
from miniseg_edge.preprocessing import ByteArray

SLICES = tuple(f"phantom-{seed:04d}" for seed in range(8))
BASELINE = "plain OpenVINO FP32"
HOSTILE = (
    '</text></svg><script>alert(1)</script><img src="http://evil.example/x.png" onerror=alert(2)> $\\frac{$ --> &amp;'
)


def result_of(name: str, runtime: str, precision: str, p50_ms: float, dice_worst: float = 1.0) -> Result:
    """A configuration as it is measured: five rounds of gamma-distributed latencies with a long tail."""
    random = np.random.default_rng(len(name) + round(100 * p50_ms))
    stages = [
        np.stack([share * p50_ms * (0.93 + random.gamma(1.4, 0.055, 120)) for share in (0.12, 0.8, 0.08)], axis=1)
        for _ in range(5)
    ]
    rounds = [turn.sum(axis=1) for turn in stages]
    everything, latency = np.concatenate(stages), distribution(np.concatenate(rounds))
    dices = np.linspace(dice_worst, 1.0, len(SLICES))
    changed = [0 if dice == 1.0 else max(1, round((1 - dice) * 9000)) for dice in dices]
    return Result(
        name=name,
        runtime=runtime,
        precision=precision,
        artifact=f"{runtime}/{precision}/model.bin",
        p50_ms=latency.p50_ms,
        p90_ms=latency.p90_ms,
        p99_ms=latency.p99_ms,
        throughput_slices_per_s=1e3 / latency.mean_ms,
        peak_rss_mb=310.0 + 4000 / p50_ms,
        steady_rss_mb=280.0 + 3000 / p50_ms,
        rss_growth_mb=Growth(0.01, -0.03, 0.04),
        dice_mean=float(dices.mean()),
        dice_worst=dice_worst,
        changed_pixels=sum(changed),
        mean_iou=None,
        ratio_to_baseline=None,
        latency=latency,
        prepare=distribution(everything[:, 0]),
        infer=distribution(everything[:, 1]),
        finish=distribution(everything[:, 2]),
        cold_start_s=(0.91, 0.88, 0.97),
        first_inference_ms=(2.2 * p50_ms, 2.0 * p50_ms, 2.9 * p50_ms),
        warm_up_slices=64,
        cpu_s_per_slice=p50_ms * 3.6e-3,
        offline_slices_per_s=(1700 / p50_ms, 1690 / p50_ms, 1750 / p50_ms),
        burst_first_ms=(),
        burst_last_ms=(),
        rounds_ms=tuple(tuple(float(ms) for ms in turn) for turn in rounds),
        slices=tuple(
            SliceAccuracy(slice_name, float(dice), pixels, 5000 + pixels, 5000)
            for slice_name, dice, pixels in zip(SLICES, dices, changed, strict=True)
        ),
        macs=430_000_000,
        limit_ms=4.1 if precision == "fp32" else None,
    )


def ratios_of(results: Sequence[Result]) -> tuple[Ratio, ...]:
    """Every pair that was timed, faster over slower."""
    timed = sorted((r for r in results if r.p50_ms is not None), key=lambda r: r.p50_ms or 0.0)
    rounds = {r.name: [np.array(samples) for samples in r.rounds_ms] for r in timed}
    return tuple(ratio(a.name, rounds[a.name], b.name, rounds[b.name]) for a, b in combinations(timed, 2))


RESULTS = (
    result_of("openvino fp32", "openvino", "fp32", 14.2),
    result_of("openvino bf16", "openvino", "bf16", 8.3, 0.9961),
    result_of("onnxruntime fp32", "onnxruntime", "fp32", 20.9),
)
PEERS = (
    result_of(BASELINE, "openvino", "fp32", 21.0),
    result_of("NNCF default INT8", "openvino", "int8", 7.1, 0.8127),
    result_of("torch eager", "torch", "fp32", 63.0),
)
RATIOS = ratios_of((*RESULTS, *PEERS))


def report_of(results: Sequence[Result] = RESULTS, peers: Sequence[Result] = PEERS, baseline: str = BASELINE) -> Report:
    """A report as a run with --peers gives it."""
    known = {r.name: r.p50_ms for r in (*results, *peers)}

    def compared(result: Result) -> Result:
        slow, own = known.get(baseline), result.p50_ms
        return dataclasses.replace(result, ratio_to_baseline=slow / own if slow and own else None)

    return Report(
        schema_version=1,
        created="2026-03-07T09:05:00+00:00",
        bundle="lung-fold1",
        bundle_digest="9f2c" * 16,
        machine=Machine(
            name="ward-7",
            processor="Intel Xeon Gold 6338",
            cores=16,
            memory_gb=62.7,
            system="Linux 6.1 x86_64",
            versions={"openvino": "2025.4.0", "onnxruntime": "1.23.2", "numpy": "2.3.5", "python": "3.11.2"},
        ),
        method=Method(("single-stream", "offline"), 5, 30.0, 100, 8, SLICES, "512 x 512"),
        reference="the FP32 network in torch",
        baseline=baseline,
        results=tuple(map(compared, results)),
        peers=tuple(map(compared, peers)),
        vendor_benchmarks=(
            VendorBenchmark(
                "openvino fp32", "benchmark_app -m model.xml -d CPU -hint none", (11.1, 11.3, 11.2), 0.12, 0.05, 0.2
            ),
        ),
        ratios=tuple(r for r in RATIOS if {r.name, r.baseline} <= known.keys()),
        failures=(Failure("ONNX Runtime static INT8", "InvalidGraph: a tensor has no calibrated range"),),
        limits=(Limit("openvino", "fp32", (204.0, 211.0)),),
    )


def disagreement_of(result: str, seed: int, spread: int) -> Disagreement:
    """A phantom whose lesion another configuration draws `spread` pixels wider, and not everywhere."""
    drawn = phantom(seed)
    wider = np.asarray(cv2.dilate(drawn.mask, np.ones((spread, spread), np.uint8)), dtype=np.uint8)
    wider[:, : wider.shape[1] // 3] = drawn.mask[:, : wider.shape[1] // 3]
    changed = int((wider != drawn.mask).sum())
    total = int(wider.sum()) + int(drawn.mask.sum())
    dice = 2 * int((wider & drawn.mask).sum()) / total if total else 1.0
    return Disagreement(result, drawn.name, drawn.image, drawn.mask, wider, dice, changed)


DISAGREEMENTS = (
    *(disagreement_of("NNCF default INT8", seed, 9) for seed in (1, 2, 3)),
    *(disagreement_of("openvino bf16", seed, 2) for seed in (1, 4)),
)


def pixels_of(png: bytes) -> ByteArray:
    """(H, W, 3) uint8, BGR."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, dtype=np.uint8)


def untimed(result: Result) -> Result:
    """The same from a run of offline alone."""
    return dataclasses.replace(
        result, p50_ms=None, p90_ms=None, p99_ms=None, ratio_to_baseline=None, latency=None, prepare=None, infer=None,
        finish=None, rounds_ms=(),
    )  # fmt: skip


class Page(HTMLParser):
    """A page taken apart: all tags with their attributes, the visible text, the headings, the rows of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.rows: list[tuple[str, list[str]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {self.open}"
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append((self.tags[-1][1].get("class", ""), []))
        elif tag in ("td", "th"):
            self.rows[-1][1].append("")
        elif tag in ("h1", "h2"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][1][-1] += data
        if {"h1", "h2"} & set(self.open):
            self.headings[-1] += data

    def row(self, name: str) -> tuple[str, list[str]]:
        """The first row about a configuration: its class and its cells."""
        return next((kind, cells) for kind, cells in self.rows if cells[0].startswith(name))


@pytest.fixture(scope="module")
def text() -> str:
    return html_from_report(report_of(), DISAGREEMENTS)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


class TestContent:
    def test_says_everything_in_order(self, page: Page) -> None:
        assert page.headings == [
            "MiniSeg Edge benchmark: lung-fold1", "Speed and accuracy", "Latency", "Speed against accuracy",
            "Stages of a slice", "Start, memory, processor time", "Offline and burst", "Pair by pair",
            "Beside the machine\N{RIGHT SINGLE QUOTATION MARK}s limit", "Beside benchmark_app", "Slice by slice",
            "Failures", "Method", "Machine and versions",
        ]  # fmt: skip
        for said in (
            "7 March 2026, 09:05 UTC on ward-7, Intel Xeon Gold 6338, 16 cores, 63 GB", "9f2c" * 16,
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
            "times as fast, but it draws another lesion.",
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


class TestVerdict:
    def said(self, report: Report) -> str:
        page = html_from_report(report, ())
        return Page(
            page[page.index('<p class="verdict') : page.index("</p>", page.index('<p class="verdict')) + 4]
        ).text

    def test_a_fastest_artefact_that_draws_another_lesion_is_not_praised(self) -> None:
        wrong = dataclasses.replace(RESULTS[1], dice_worst=0.6)
        said = self.said(report_of([RESULTS[0], wrong]))
        assert "It draws another lesion than the reference: Dice falls to 0.6000" in said
        assert "The fastest that draws its masks is openvino fp32" in said

    def test_none_draws_the_masks(self) -> None:
        wrong = [dataclasses.replace(result, dice_worst=0.6) for result in RESULTS]
        assert "None of our artefacts draws the reference\u2019s masks." in self.said(report_of(wrong))

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
        assert "Every configuration draws every slice exactly as the reference does." in page.text
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


def hostile_page() -> str:
    """Every text of a report is an attack."""
    result, peer = (dataclasses.replace(r, name=f"{i} {HOSTILE}") for i, r in enumerate((RESULTS[0], PEERS[1])))
    result = dataclasses.replace(
        result, runtime=HOSTILE, precision=HOSTILE, artifact=HOSTILE,
        slices=tuple(dataclasses.replace(judged, name=HOSTILE + judged.name) for judged in result.slices),
    )  # fmt: skip
    report = dataclasses.replace(
        report_of([result], [peer], peer.name),
        created=HOSTILE, bundle=HOSTILE, bundle_digest=HOSTILE, reference=HOSTILE,
        machine=Machine(HOSTILE, HOSTILE, 1, 1.0, HOSTILE, {HOSTILE: HOSTILE}),
        method=Method((HOSTILE,), 5, 1.0, 1, None, (HOSTILE,), HOSTILE),
        vendor_benchmarks=(VendorBenchmark(result.name, HOSTILE, (1.0,), 1.0),),
        ratios=(Ratio(result.name, peer.name, 1.5, 1.4, 1.6),),
        failures=(Failure(HOSTILE, HOSTILE),),
    )  # fmt: skip
    shown = dataclasses.replace(DISAGREEMENTS[0], result=result.name, slice_name=HOSTILE)
    return html_from_report(report, (shown, dataclasses.replace(shown, result=HOSTILE)))


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


class TestPictures:
    def test_names_in_other_scripts_and_with_dollars(self) -> None:
        named = dataclasses.replace(RESULTS[0], name="$x_1$ \u80ba\u708e \u0627\u0644\u0631\u0626\u0629")
        for plot in (latency_plot([Entry(named, "#000000", False)]), stage_plot([Entry(named, "#000000", False)])):
            assert "$x_1$ \u80ba\u708e" in plot

    def test_all_latencies_are_in_the_picture(self) -> None:
        spiked = dataclasses.replace(RESULTS[0], rounds_ms=((10.0,) * 500 + (10.01, 900.0),))
        plot = latency_plot([Entry(spiked, "#123456", False)])
        assert "10.00 / 10.00 / 900.00" in plot
        box = re.search(r'viewBox="0 0 ([\d.]+)', plot)
        assert box is not None
        (marks,) = (d for d in re.findall(r'<path d="([^"]*)"[^>]*stroke: #123456; stroke-width: 0.6', plot))
        x = [float(value) for value in re.findall(r"M ([\d.]+)", marks)]
        assert len(x) == 2, "the two that coincide share a mark"
        assert max(x) < float(box[1])

    def test_nothing_to_plot(self) -> None:
        assert latency_plot([]) == stage_plot([]) == accuracy_plot([], "") == ""

    def test_p50_is_shown_where_there_is_no_baseline(self) -> None:
        alone = dataclasses.replace(RESULTS[0], ratio_to_baseline=None)
        assert "p50, ms (left is faster)" in accuracy_plot([Entry(alone, "#000000", False)], "gone")

    def test_labels_cover_neither_each_other_nor_a_mark(self) -> None:
        random = np.random.default_rng(0)
        points = [(float(x), 200.0) for x in random.uniform(20, 580, 11)]
        sizes = [(float(width), 12.0) for width in random.uniform(60, 130, 11)]
        boxes = [
            (x, y, x + w, y + h)
            for (x, y), (w, h) in zip(placed_labels(points, sizes, (0, 0, 600, 280)), sizes, strict=True)
        ]
        for a, b in combinations([*boxes, *((x - 4, y - 4, x + 4, y + 4) for x, y in points)], 2):
            if a in boxes:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert all(x0 >= 0 and y0 >= 0 and x1 <= 600 and y1 <= 280 for x0, y0, x1, y1 in boxes)

    def test_matplotlib_is_asked_for_by_its_extra(self) -> None:
        code = (
            "import sys; sys.modules['matplotlib'] = None\n"
            "from miniseg_edge.benchmarks.plots import Entry, latency_plot\n"
            "from types import SimpleNamespace\n"
            "latency_plot([Entry(SimpleNamespace(rounds_ms=((1.0,),)), '#000000', False)])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert 'pip install "miniseg-edge[bench]"' in done.stderr

    def test_importing_the_page_loads_no_matplotlib(self) -> None:
        code = "import sys, miniseg_edge.benchmarks.html; assert 'matplotlib' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestThumbnail:
    GREY = np.full((200, 300), 90, np.uint8)

    def drawn(self, reference: ByteArray, artifact: ByteArray) -> ByteArray:
        return pixels_of(thumbnail(self.GREY, reference, artifact))

    def mask(self, rows: slice, columns: slice) -> ByteArray:
        mask = np.zeros((200, 300), np.uint8)
        mask[rows, columns] = 1
        return mask

    def test_equal_masks_have_both_outlines_and_no_change(self) -> None:
        mask = self.mask(slice(60, 120), slice(100, 160))
        found = self.drawn(mask, mask)
        assert found.shape[0] == found.shape[1]
        blue, green, red = (found[..., i].astype(int) for i in range(3))
        assert ((blue > red + 60) & (green > 120)).sum() > 100, "the reference's"
        assert ((red > blue + 60) & (green > 150)).sum() > 100, "the artefact's"
        assert not ((red > green + 60) & (blue > green + 30)).any(), "no pixel changed"

    def test_a_single_changed_pixel_is_seen(self) -> None:
        reference = self.mask(slice(0, 200), slice(0, 300))
        artifact = reference.copy()
        artifact[90, 150] = 0
        blue, green, red = (self.drawn(reference, artifact)[..., i].astype(int) for i in range(3))
        assert ((red > green + 60) & (blue > green + 10)).any()

    def test_lesions_at_the_edge_and_none_at_all(self) -> None:
        nothing = np.zeros((200, 300), np.uint8)
        assert self.drawn(nothing, nothing).shape[:2] == (224, 336)
        assert (self.drawn(nothing, nothing) == 90).all()
        corner = self.mask(slice(190, 200), slice(295, 300))
        assert self.drawn(corner, nothing).shape[:2] == (336, 336)

    def test_a_slice_smaller_than_the_crop(self) -> None:
        small = np.zeros((40, 30), np.uint8)
        small[3, 4] = 1
        assert pixels_of(thumbnail(small, small, small)).shape == (336, 252, 3)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Lengths are the browser's own: what overlaps or leaves its frame here does so before the reader's eyes.
MEASURE = """
const frame = document.querySelector('iframe');
frame.onload = () => {
  const page = frame.contentDocument, found = [];
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push('the page is wider than its window');
  for (const svg of page.querySelectorAll('svg')) {
    const outer = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    boxes.forEach(([name, a], i) => {
      if (a.left < outer.left || a.right > outer.right || a.top < outer.top || a.bottom > outer.bottom)
        found.push('cut: ' + name);
      for (const [other, b] of boxes.slice(i + 1))
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
          found.push('overlap: ' + name + ' and ' + other);
    });
  }
  for (const image of page.images) if (!image.naturalWidth) found.push('no picture: ' + image.alt);
  document.title = JSON.stringify([root.scrollHeight, found]);
};
frame.srcdoc = PAGE;
"""


def browse(tmp_path: Path, *arguments: str) -> str:
    """Runs the browser without a window and without a network; what it writes on standard output."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--no-first-run", "--disable-extensions", f"--user-data-dir={tmp_path / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)")
class TestBrowser:
    def test_a_screenshot_shows_the_report(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        picture = tmp_path / "report.png"
        browse(tmp_path, f"--screenshot={picture}", "--window-size=1200,6000", (tmp_path / "report.html").as_uri())
        pixels = pixels_of(picture.read_bytes())
        assert pixels.shape == (6000, 1200, 3)
        used = pixels.min(axis=(1, 2)) < 200
        assert used[:4000].mean() > 0.4, "lines with something on them"
        red, blue = (np.abs(pixels.astype(int) - colour).sum(axis=2) < 30 for colour in ([30, 38, 179], [178, 114, 0]))
        assert red.sum() > 100, "another lesion is red"
        assert blue.sum() > 1000, "our first artefact's colour"

    def test_prints_on_a4(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        paper = tmp_path / "report.pdf"
        browse(tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer", (tmp_path / "report.html").as_uri())
        data = paper.read_bytes()
        assert data.startswith(b"%PDF")
        assert 5 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12
        sizes = {tuple(map(round, map(float, box.split()))) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", data)}
        assert sizes == {(0, 0, 595, 842)}

    @pytest.mark.parametrize("width", [360, 768, 1200])
    @pytest.mark.parametrize("kind", ["plain", "hostile", "crowded"])
    def test_nothing_overlaps_and_nothing_is_cut(self, kind: str, width: int, text: str, tmp_path: Path) -> None:
        shown = {"plain": lambda: text, "hostile": hostile_page, "crowded": crowded_page}[kind]()
        script = MEASURE.replace("PAGE", json.dumps(shown).replace("</", "<\\/"))
        wrapper = (
            f'<meta charset="utf-8"><iframe style="width: {width}px; height: 900px"></iframe><script>{script}</script>'
        )
        (tmp_path / "wrapper.html").write_text(wrapper, encoding="utf-8")
        shown = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", (tmp_path / "wrapper.html").as_uri())
        title = re.search(r"<title>(.*?)</title>", shown)
        assert title is not None
        height, found = json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert height > 3000
        assert found == []


def crowded_page() -> str:
    """Five artefacts and six peers, many of them equally fast and equally right."""
    ours = [result_of(f"openvino artefact {i}", "openvino", "fp32", 10 + 0.3 * i, 1.0 - 2e-4 * i) for i in range(5)]
    peers = [
        result_of(f"a peer with a rather long name {i}", "torch", "int8", 11.0 + i**2, 1 - 0.05 * i) for i in range(6)
    ]
    return html_from_report(report_of(ours, peers, peers[0].name), ())
