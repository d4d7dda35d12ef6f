"""Shared by all plots: style, figures, names, and SVG for a page."""

import contextlib
import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from miniseg_edge.benchmarks.plots.colours import INK, LINE, MUTED, RED
from miniseg_edge.benchmarks.plots.entries import Entry
from miniseg_edge.host.dependencies import require
from miniseg_edge.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_WIDTH_IN = 9.4
_POINTS = 72  # an SVG's unit: matplotlib draws SVG at 72 dots an inch
FONT = 9.0


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """The report's style, without warnings about letters that matplotlib's font lacks: the page has its own font."""
    require("matplotlib", "bench")
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": "miniseg", "font.size": FONT, "axes.edgecolor": LINE,
        "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "text.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": False, "text.parse_math": False,
        "path.simplify": False,
    }  # fmt: skip
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def new_figure(height_in: float, left: float = 0.225, right: float = 0.835) -> tuple["Figure", "Axes"]:
    """A figure of the report's width; its axes leave room for row names on the left and figures on the right."""
    from matplotlib.figure import Figure

    figure = Figure((_WIDTH_IN, height_in), dpi=_POINTS)
    axes = figure.add_axes((left, 0.52 / height_in, right - left, 1 - 0.62 / height_in))
    axes.tick_params(length=3)
    return figure, axes


def name_rows(axes: "Axes", rows: Sequence[Entry], above: float) -> None:
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


def note_right(axes: "Axes", y: float, text: str, colour: str) -> None:
    """Writes beside the axes, on a row."""
    axes.annotate(
        text, (1.0, y), (8, 0), ("axes fraction", "data"), textcoords="offset points", va="center", color=colour,
        size=8, annotation_clip=False,
    )  # fmt: skip


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(" ".join(name.split()), 26) or [""]
    return "\n".join([lines[0], shortened(" ".join(lines[1:]), 26)]) if len(lines) > 1 else lines[0]


def shortened(name: str, length: int) -> str:
    """At most so many letters."""
    name = " ".join(name.split())
    return name if len(name) <= length else name[: length - 1].rstrip() + "\u2026"


def svg_from_figure(figure: "Figure", prefix: str, description: str) -> str:
    """The figure as an <svg> element for a page: no declarations, and unique ids."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer)  # type: ignore[no-untyped-call]
    found = buffer.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", found, flags=re.DOTALL)
    # Names are between tags, where "<" and ">" are escaped; inside tags there is only matplotlib's own text.
    pieces = re.split(r"(<[^>]*>)", found)  # text, a tag, text, ...
    pieces[1::2] = [_page_tag(tag, prefix) for tag in pieces[1::2]]
    pieces[::2] = [text if text.isspace() else printable(text) for text in pieces[::2]]
    found = "".join(pieces)
    return found.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def _page_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag).replace("xlink:href", "href")
    return re.sub(r'( id="|url\(#| href="#)', rf"\1{prefix}-", tag)
