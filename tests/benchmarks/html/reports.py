"""Reports that were never measured: plain, hostile and crowded ones, and a page as its reader finds it."""

import dataclasses
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import combinations

import numpy as np

from miniseg_edge.benchmarks.html import Disagreement, html_from_report
from miniseg_edge.benchmarks.report import (
    Failure,
    Limit,
    Machine,
    Method,
    Report,
    Result,
    SliceAccuracy,
    VendorBenchmark,
)
from miniseg_edge.benchmarks.statistics import Growth, Ratio, distribution, ratio
from miniseg_edge.host.opencv import cv2
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import ByteArray

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
        load_ms=(310.0, 280.0, 342.0),
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


def crowded_page() -> str:
    """Five artefacts and six peers, many of them equally fast and equally right."""
    ours = [result_of(f"openvino artefact {i}", "openvino", "fp32", 10 + 0.3 * i, 1.0 - 2e-4 * i) for i in range(5)]
    peers = [
        result_of(f"a peer with a rather long name {i}", "torch", "int8", 11.0 + i**2, 1 - 0.05 * i) for i in range(6)
    ]
    return html_from_report(report_of(ours, peers, peers[0].name), ())
