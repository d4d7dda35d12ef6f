"""The report's pictures: plots as inline SVG, thumbnails as PNG.

matplotlib is imported when the first plot is drawn. Text stays text, in the page's own font; names are never read as
matplotlib's mathematics, because a name may hold a "$".
"""

import contextlib
import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.benchmarks.report import Report, Result
from miniseg_edge.benchmarks.statistics import FloatSamples
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION
from miniseg_edge.dependencies import require
from miniseg_edge.images import png_from_pixels
from miniseg_edge.opencv import cv2
from miniseg_edge.preprocessing import ByteArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUR_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#332288", "#999933", "#882255")
_PEER_GREYS = ("#595959", "#8C8C8C", "#737373", "#A6A6A6", "#404040", "#B3B3B3")
RED, INK, MUTED, LINE = "#B3261E", "#1D2733", "#5C6875", "#D9DEE4"
REFERENCE_COLOUR, ARTIFACT_COLOUR, CHANGED_COLOUR = "#56B4E9", "#F0E442", "#E0218A"

_WIDTH_IN = 9.4
_POINTS = 72  # an SVG's unit: matplotlib draws SVG at 72 dots an inch
_FONT = 9.0
_THUMBNAIL = 336
_MIN_CROP = 96
_DASH = 7
_LEADER_FROM = 12.0
"""Points between a mark and its label from which a line joins them."""
_LOG_FROM = 5.0
"""Largest over smallest latency from which the axis is logarithmic."""
_TICK_COLUMNS = 1500
"""Columns of the latency axis that hold a mark for each sample: finer than anyone can see or print."""


@dataclass(frozen=True)
class Entry:
    """A configuration with the looks that it has everywhere in the report: ours coloured, peers grey."""

    result: Result
    colour: str
    peer: bool

    @property
    def wrong(self) -> bool:
        """Whether it draws another lesion than the reference."""
        return self.result.dice_worst < DIFFERENT_LESION

    @property
    def label(self) -> str:
        """The name, with a cross if it draws another lesion: colour alone would not do."""
        return f"\u2717 {self.result.name}" if self.wrong else self.result.name


def entries(report: Report) -> tuple[Entry, ...]:
    """Results and peers, fastest first: by p50, or by throughput where there is none."""
    ours = [Entry(r, OUR_COLOURS[i % len(OUR_COLOURS)], False) for i, r in enumerate(report.results)]
    peers = [Entry(r, _PEER_GREYS[i % len(_PEER_GREYS)], True) for i, r in enumerate(report.peers)]
    return tuple(sorted(ours + peers, key=lambda entry: _slowness(entry.result)))


def _slowness(result: Result) -> tuple[bool, float]:
    if result.p50_ms is None:
        return True, -result.throughput_slices_per_s
    return False, result.p50_ms


# --- latency ---------------------------------------------------------------------------------------------------------


def latency_plot(shown: Sequence[Entry]) -> str:
    """All end-to-end latencies: their density, a mark for each, and p50, p90, p99; "" if there are none."""
    rows = [(entry, samples) for entry in shown if len(samples := _samples(entry.result))]
    if not rows:
        return ""
    low, high = min(float(s.min()) for _, s in rows), max(float(s.max()) for _, s in rows)
    with drawing():
        figure, axes = _figure(1.0 + 0.62 * len(rows))
        # The scale comes first, because densities are drawn along the axis as it is seen.
        if low > 0 and high / low > _LOG_FROM:
            axes.set_xscale("log")
            _plain_log_ticks(axes)
        for y, (entry, samples) in enumerate(rows):
            _draw_latencies(axes, y, samples, entry.colour)
        _pad(axes, low, high)
        _name_rows(axes, [entry for entry, _ in rows], 0.62)
        _note_right(axes, -0.78, "p50 / p99 / max", MUTED)
        for y, (_, samples) in enumerate(rows):
            p50, p99 = np.percentile(samples, [50, 99])
            _note_right(axes, y - 0.1, f"{p50:.2f} / {p99:.2f} / {samples.max():.2f}", INK)
        axes.set_xlabel("end-to-end latency of a slice, ms")
        return _svg(figure, "latency", "Latency distribution of each configuration")


def _samples(result: Result) -> FloatSamples:
    return np.array([ms for samples in result.rounds_ms for ms in samples], dtype=np.float64)


def _draw_latencies(axes: "Axes", y: int, samples: FloatSamples, colour: str) -> None:
    seen = np.log(samples) if axes.get_xscale() == "log" else samples
    grid, height = _density(seen)
    x = np.exp(grid) if axes.get_xscale() == "log" else grid
    axes.fill_between(x, y - 0.62 * height, y, color=colour, alpha=0.45, linewidth=0)
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    axes.plot([samples.min(), samples.max()], [y, y], color=colour, linewidth=1)
    axes.plot([p50, p50], [y - 0.68, y], color=INK, linewidth=1.8, solid_capstyle="butt")
    for percentile, length in ((p90, 0.34), (p99, 0.2)):
        axes.plot([percentile] * 2, [y - length, y], color=INK, linewidth=1.1, solid_capstyle="butt")
    marks = _marks(seen)
    x = np.exp(marks) if axes.get_xscale() == "log" else marks
    axes.plot(np.repeat(x, 3), np.tile([y + 0.05, y + 0.19, np.nan], len(x)), color=colour, linewidth=0.6)


def _density(samples: FloatSamples) -> tuple[FloatSamples, FloatSamples]:
    """A smoothed histogram between the smallest and the largest sample: (K,) places and (K,) heights up to 1."""
    low, high = float(samples.min()), float(samples.max())
    if high - low < 1e-9:
        return np.array([low, low]), np.array([0.0, 0.0])
    counts, edges = np.histogram(samples, bins=400, range=(low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    quartiles = float(np.subtract(*np.percentile(samples, [75, 25]))) / 1.34
    spread = min(float(samples.std()), quartiles) or float(samples.std())
    width = max(0.9 * spread * len(samples) ** -0.2, (high - low) / 400)  # Silverman's rule
    grid = np.linspace(low, high, 400)
    height = np.exp(-0.5 * ((grid[:, None] - centres[None, :]) / width) ** 2) @ counts
    return grid, height / height.max()


def _marks(samples: FloatSamples) -> FloatSamples:
    """Where marks go so that every sample is under one: samples that would coincide in the picture share theirs."""
    low, high = float(samples.min()), float(samples.max())
    step = max((high - low) / _TICK_COLUMNS, 1e-9)
    _, first = np.unique(np.round((samples - low) / step), return_index=True)
    return np.unique(np.append(samples[first], high))


def _pad(axes: "Axes", low: float, high: float) -> None:
    if axes.get_xscale() == "log":
        axes.set_xlim(low / (high / low) ** 0.02, high * (high / low) ** 0.02)
    else:
        margin = 0.02 * (high - low) or 0.05 * high or 1.0
        axes.set_xlim(low - margin, high + margin)


def _plain_log_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


# --- stages ----------------------------------------------------------------------------------------------------------

STAGES = ("prepare", "infer", "finish")
_STAGE_OPACITY = (0.4, 1.0, 0.65)


def stage_plot(shown: Sequence[Entry]) -> str:
    """Mean milliseconds of each stage, stacked: means, because only they add up; "" if there are none."""
    rows = [(entry, means) for entry in shown if (means := _stage_means(entry.result))]
    if not rows:
        return ""
    longest = max(sum(means) for _, means in rows)
    with drawing():
        figure, axes = _figure(0.9 + 0.36 * len(rows))
        for y, (entry, means) in enumerate(rows):
            left = 0.0
            for mean, opacity in zip(means, _STAGE_OPACITY, strict=True):
                colour = _faded(entry.colour, opacity)
                axes.barh(y, mean, 0.62, left, color=colour, edgecolor="white", linewidth=0.8)
                if mean > 0.07 * longest:
                    ink = _readable_on(colour)
                    axes.text(left + mean / 2, y, f"{mean:.2f}", ha="center", va="center", color=ink, size=8)
                left += mean
            _note_right(axes, y, f"{left:.2f}", INK)
        _note_right(axes, -0.72, "sum", MUTED)
        axes.set_xlim(0, longest * 1.01)
        _name_rows(axes, [entry for entry, _ in rows], 0.5)
        axes.set_xlabel("mean of each stage, ms a slice: prepare (light), infer (full), finish (medium)")
        return _svg(figure, "stages", "Mean time of each stage and configuration")


def _stage_means(result: Result) -> tuple[float, ...]:
    if result.prepare is None or result.infer is None or result.finish is None:
        return ()
    return tuple(stage.mean_ms for stage in (result.prepare, result.infer, result.finish))


def _faded(colour: str, opacity: float) -> str:
    """The colour on white paper, opaque, because overlapping transparency prints badly."""
    return "#" + "".join(f"{round(255 - opacity * (255 - value)):02X}" for value in _rgb(colour))


def _readable_on(colour: str) -> str:
    red, green, blue = _rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


# --- speed against accuracy ------------------------------------------------------------------------------------------


def accuracy_plot(shown: Sequence[Entry], baseline: str) -> str:
    """Worst Dice over speed, right and up is better; "" for nothing to show."""
    label, speeds = _speeds(shown, baseline)
    points = [(entry, speeds[i], entry.result.dice_worst) for i, entry in enumerate(shown) if i in speeds]
    if not points:
        return ""
    with drawing():
        figure, axes = _figure(4.2, left=0.075, right=0.98)
        _frame_accuracy(axes, [x for _, x, _ in points], [y for _, _, y in points])
        for entry, x, y in points:
            edge, width = (RED, 2.0) if entry.wrong else ("white", 1.0)
            axes.plot(
                [x], [y], marker="s" if entry.peer else "o", markersize=10 if entry.peer else 8, color=entry.colour,
                linestyle="", markeredgecolor=edge, markeredgewidth=width, clip_on=False, zorder=3 if entry.peer else 4,
            )  # fmt: skip
        _label_points(axes, points)
        if label.startswith("speed"):
            axes.axvline(1.0, color=LINE, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel(label)
        axes.set_ylabel("worst Dice against the reference")
        return _svg(figure, "accuracy", "Speed against accuracy of each configuration")


def _speeds(shown: Sequence[Entry], baseline: str) -> tuple[str, dict[int, float]]:
    """What speed means here, and it by index in `shown`: the ratio to the baseline, or what there is instead."""
    ratios = {i: e.result.ratio_to_baseline for i, e in enumerate(shown) if e.result.ratio_to_baseline is not None}
    if ratios:
        return f"speed: p50 of {_short(baseline, 40)} over this p50 (right is faster)", ratios
    p50 = {i: e.result.p50_ms for i, e in enumerate(shown) if e.result.p50_ms is not None}
    if p50:
        return "p50, ms (left is faster)", p50
    return "throughput, slices/s (right is faster)", {i: e.result.throughput_slices_per_s for i, e in enumerate(shown)}


def _frame_accuracy(axes: "Axes", x: Sequence[float], y: Sequence[float]) -> None:
    """Limits with room for labels, and the region in which another lesion is drawn."""
    width = max(x) - min(x) or 0.2 * max(x) or 1.0
    axes.set_xlim(min(x) - 0.1 * width, max(x) + 0.3 * width)
    depth = 1.0 - min(*y, DIFFERENT_LESION)
    bottom = max(1.0 - 1.18 * depth, -0.02)
    axes.set_ylim(bottom, 1.0 + 0.3 * (1.0 - bottom))
    axes.axhspan(bottom, DIFFERENT_LESION, color="#FBEAE8", linewidth=0, zorder=0)
    axes.yaxis.set_ticks([tick for tick in axes.get_yticks() if bottom <= tick <= 1.0 + 1e-9])
    axes.annotate(
        f"below {DIFFERENT_LESION:g}: another lesion", (0, 0), (6, 6), "axes fraction", textcoords="offset points",
        color=RED, size=8,
    )  # fmt: skip


def _label_points(axes: "Axes", points: Sequence[tuple[Entry, float, float]]) -> None:
    at = [tuple(float(v) for v in axes.transData.transform((x, y))) for _, x, y in points]
    texts = [_short(entry.label, 34) for entry, _, _ in points]
    sizes = [(0.6 * _FONT * len(text), 1.3 * _FONT) for text in texts]
    box = axes.get_window_extent()
    note = (box.x0, box.y0, box.x0 + 150.0, box.y0 + 20.0)
    places = placed_labels([(x, y) for x, y in at], sizes, (box.x0, box.y0, box.x1, box.y1), [note])
    for (entry, x, y), text, start, corner, size in zip(points, texts, at, places, sizes, strict=True):
        near = _nearest(_box(corner, size), (start[0], start[1]))
        if float(np.hypot(near[0] - start[0], near[1] - start[1])) > _LEADER_FROM:
            tip = axes.transData.inverted().transform(near)
            axes.plot([x, tip[0]], [y, tip[1]], color=MUTED, linewidth=0.6, zorder=2, clip_on=False)
        # Sizes are estimates, the browser's font decides; so a label begins or ends where it is nearest to its mark.
        right = corner[0] + size[0] / 2 > start[0]
        shift = (corner[0] + (0.0 if right else size[0]) - start[0], corner[1] + size[1] / 2 - start[1])
        axes.annotate(
            text, (x, y), shift, textcoords="offset points", ha="left" if right else "right", va="center", zorder=5,
            color=RED if entry.wrong else INK, weight="normal" if entry.peer else "bold",
        )  # fmt: skip


Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def placed_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    taken: Sequence[Box] = (),
) -> list[tuple[float, float]]:
    """Lower left corners for labels (width, height) near their points: inside the frame, over no mark or label.

    A label stands beside its mark or flies from it like a flag, on a mast. From right to left each takes the nearest
    place that is free and whose mast crosses nothing; where there is none, a free one; where there is no free one
    either, the nearest.
    """
    marks = [(x - 9, y - 7, x + 9, y + 7) for x, y in points]
    blocked = list(taken)
    places = [(0.0, 0.0)] * len(points)
    for index in sorted(range(len(points)), key=lambda i: -points[i][0]):
        point, size = points[index], sizes[index]
        # Of two marks in one place, neither bars the way to the other's label.
        others = [mark for mark in marks if not _inside((*point, *point), mark)]
        candidates = [c for c in _candidates(*point, size) if _inside(_box(c, size), frame)] or [
            (point[0] + 10, point[1])
        ]
        free = [c for c in candidates if not _any_overlap([_box(c, size)], [*blocked, *marks])] or candidates
        clear = (c for c in free if not _any_overlap(_leader(_box(c, size), point), [*blocked, *others]))
        places[index] = next(clear, free[0])
        label = _box(places[index], size)
        blocked += [label, *_leader(label, point)]
    return places


def _candidates(x: float, y: float, size: tuple[float, float]) -> Iterator[tuple[float, float]]:
    width, height = size
    yield x + 10, y - height / 2
    for level in range(12):
        above, below = y + 13 + level * (height + 1), y - 13 - height - level * (height + 1)
        for left in (x - 3, x - width + 3):
            yield left, above
            yield left, below
        yield x - 10 - width, y - height / 2


def _leader(box: Box, point: tuple[float, float]) -> list[Box]:
    """The line from a mark to its label as small boxes; none where the two are neighbours."""
    end = _nearest(box, point)
    steps = int(np.hypot(end[0] - point[0], end[1] - point[1]) / 3)
    if 3 * steps < _LEADER_FROM:
        return []
    xs, ys = np.linspace(point[0], end[0], steps)[1:-1], np.linspace(point[1], end[1], steps)[1:-1]
    return [(float(x) - 1, float(y) - 1, float(x) + 1, float(y) + 1) for x, y in zip(xs, ys, strict=True)]


def _nearest(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _box(corner: tuple[float, float], size: tuple[float, float]) -> Box:
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def _inside(box: Box, frame: Box) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _any_overlap(some: Sequence[Box], others: Sequence[Box]) -> bool:
    return any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a in some for b in others)


# --- what all plots share --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """The report's style, without a word about letters that matplotlib's font lacks: the page has its own."""
    require("matplotlib", "bench")
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "miniseg", "font.size": _FONT, "axes.edgecolor": LINE,
        "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "text.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": False, "text.parse_math": False,
        "path.simplify": False,
    }  # fmt: skip
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def _figure(height_in: float, left: float = 0.225, right: float = 0.835) -> tuple["Figure", "Axes"]:
    """A figure of the report's width; its axes leave fractions for row names on the left and figures on the right."""
    from matplotlib.figure import Figure

    figure = Figure((_WIDTH_IN, height_in), dpi=_POINTS)
    axes = figure.add_axes((left, 0.52 / height_in, right - left, 1 - 0.62 / height_in))
    axes.tick_params(length=3)
    return figure, axes


def _name_rows(axes: "Axes", rows: Sequence[Entry], above: float) -> None:
    """Names on the left, first row on top, a line between rows."""
    axes.set_ylim(len(rows) - 0.5, -0.5 - above)
    axes.set_yticks(range(len(rows)), [_wrapped(entry.label) for entry in rows])
    for label, entry in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(RED if entry.wrong else INK)
        label.set_fontweight("normal" if entry.peer else "bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _note_right(axes: "Axes", y: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (1.0, y), (8, 0), ("axes fraction", "data"), textcoords="offset points", va="center", color=colour,
        size=8, annotation_clip=False,
    )  # fmt: skip


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(" ".join(name.split()), 26) or [""]
    return "\n".join([lines[0], _short(" ".join(lines[1:]), 26)]) if len(lines) > 1 else lines[0]


def _short(name: str, length: int) -> str:
    name = " ".join(name.split())
    return name if len(name) <= length else name[: length - 1].rstrip() + "\u2026"


def _svg(figure: "Figure", prefix: str, description: str) -> str:
    """The figure as an <svg> element for a page: no declarations, ids that no other plot has."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer)  # type: ignore[no-untyped-call]
    found = buffer.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", found, flags=re.DOTALL)
    # Names stand between tags, where "<" and ">" are escaped; inside tags there are only matplotlib's own words.
    found = re.sub(r"<[^>]*>", lambda tag: _page_tag(tag.group(), prefix), found)
    return found.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def _page_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag).replace("xlink:href", "href")
    return re.sub(r'( id="|url\(#| href="#)', rf"\1{prefix}-", tag)


# --- thumbnails ------------------------------------------------------------------------------------------------------


def thumbnail(image: ByteArray, reference: ByteArray, artifact: ByteArray) -> bytes:
    """The part of a slice (H, W) uint8 that holds both masks (H, W) uint8, as a square PNG.

    Changed pixels are filled, the reference's lesion is outlined, and the artefact's outline is dashed over it: where
    the two agree, both colours are seen.
    """
    rows, columns = _crop(reference, artifact)
    grey = _scaled(image[rows, columns], cv2.INTER_CUBIC)
    canvas = cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2BGR)
    for outline in _outlines(reference[rows, columns]):
        cv2.polylines(canvas, [outline], True, _bgr(REFERENCE_COLOUR), 2, cv2.LINE_AA)
    for outline in _outlines(artifact[rows, columns]):
        for start in range(0, len(outline), 2 * _DASH):
            dash = outline[start : start + _DASH]
            cv2.polylines(canvas, [dash], False, _bgr(ARTIFACT_COLOUR), 2, cv2.LINE_AA)
    # Changed pixels come last: a single one would vanish under its own outline.
    changed = _covered((reference != artifact)[rows, columns])
    canvas[changed] = (0.3 * canvas[changed] + 0.7 * np.array(_bgr(CHANGED_COLOUR))).astype(np.uint8)
    return png_from_pixels(np.asarray(canvas, dtype=np.uint8))


def _crop(reference: ByteArray, artifact: ByteArray) -> tuple[slice, slice]:
    """Rows and columns of a square around both lesions, or as near to a square as the slice is."""
    found = np.argwhere((reference > 0) | (artifact > 0))
    if not len(found):
        return slice(None), slice(None)
    first, last = found.min(axis=0), found.max(axis=0) + 1
    side = max(_MIN_CROP, round(1.25 * float((last - first).max())))
    cropped = []
    for axis, length in enumerate(reference.shape):
        size = min(side, length)
        start = min(max(0, int(first[axis] + last[axis] - size) // 2), length - size)
        cropped.append(slice(start, start + size))
    return cropped[0], cropped[1]


def _scaled(pixels: ByteArray, enlarge: int) -> ByteArray:
    """Its longer side as long as a thumbnail."""
    factor = _THUMBNAIL / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    interpolation = enlarge if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=interpolation), dtype=np.uint8)


def _covered(
    changed: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Where anything changed: a single pixel is seen in the smallest thumbnail."""
    return _scaled(changed.astype(np.uint8) * 255, cv2.INTER_NEAREST) > 0


def _outlines(mask: ByteArray) -> Sequence[npt.NDArray[np.int32]]:
    lesion = _scaled((mask > 0).astype(np.uint8) * 255, cv2.INTER_NEAREST) > 127
    found, _ = cv2.findContours(lesion.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return [np.asarray(outline, dtype=np.int32) for outline in found]


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = _rgb(colour)
    return blue, green, red
