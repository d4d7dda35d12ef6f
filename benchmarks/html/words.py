"""Texts and figures: plain values in, HTML out."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from miniseg_edge.benchmarks.plots import Entry
from miniseg_edge.benchmarks.report import Result
from miniseg_edge.benchmarks.statistics import Ratio
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION
from miniseg_edge.printable import in_html

NONE = "&ndash;"


def draws_another_lesion(result: Result) -> bool:
    """Whether rounding cannot explain its masks."""
    return result.dice_worst < DIFFERENT_LESION


def named(entry: Entry, *, tag: bool = True) -> str:
    """The name with its colour; peers have a square and, with `tag`, the word."""
    shape = "swatch peer" if entry.peer else "swatch"
    word = ' <span class="tag">peer</span>' if entry.peer and tag else ""
    swatch = f'<span class="{shape}" style="background: {entry.colour}"></span>'
    return f"{swatch}{bold(entry.result.name) if not entry.peer else in_html(entry.result.name)}{word}"


def look(name: str, looks: Mapping[str, Entry]) -> str:
    """A name as everywhere on the page."""
    return named(looks[name], tag=False) if name in looks else bold(name)


def bold(text: str) -> str:
    """Escaped."""
    return f"<b>{in_html(text)}</b>"


def interval_in_words(found: Ratio) -> str:
    """From, to."""
    return f"{found.low:.2f} to {found.high:.2f}"


def ms(value: float | None) -> str:
    """A time, or a dash."""
    return NONE if value is None else f"{value:.2f}"


def dice_in_words(value: float) -> str:
    """Four digits, truncated: only identical masks get 1.0000."""
    return f"{math.floor(value * 1e4 + 1e-9) / 1e4:.4f}"


def signed(value: float, digits: int = 2) -> str:
    """With a true minus sign, and no sign before a zero."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}".replace("-", "&minus;") if rounded else f"{0:.{digits}f}"


def count_in_words(value: int) -> str:
    """Thousands apart by a narrow space."""
    return f"{value:,}".replace(",", "&#8239;")


def many(count: int, noun: str) -> str:
    """A count with its noun: 1 slice, 2 slices."""
    return f"{count_in_words(count)} {noun}{'' if count == 1 else 's'}"


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and below it the smallest and the largest."""
    if not values:
        return NONE
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle}<br><small>{min(values):.{digits}f} to {max(values):.{digits}f}</small>"
