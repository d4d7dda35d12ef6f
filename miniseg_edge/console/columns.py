"""Tables as lines of text: every cell stays whole, also where the terminal is narrower than the table."""

import textwrap
import unicodedata
from collections.abc import Sequence

GAP = 2
"""Columns between two cells."""

_MIN_TEXT = 12
"""Least columns for a text that is broken between its words."""


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal: wide letters two, combining signs none."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def blocks_of(rows: Sequence[Sequence[str]], width: int | None) -> list[list[list[str]]]:
    """The lines of each row, in blocks that stand below each other; the first row is the head.

    Args:
        rows: cells; all rows have equally many. The first cell is text, at the left; figures are at the right.
        width: columns of the terminal, or None for one line a row, however long.

    Returns:
        Blocks of rows of lines. Where a table is wider than the terminal, the columns that do not fit form another
        block, which repeats the first column. A cell that alone is too wide is broken between its words.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    if width is None:
        return [_block(rows, range(len(widths)), widths, None)]
    room = max(width - widths[0] - GAP, _MIN_TEXT)
    return [_block(rows, (0, *shown), widths, room) for shown in _groups(widths, room)]


def _groups(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns after the first, in groups that fit beside it."""
    groups: list[list[int]] = [[]]
    left = room
    for index in range(1, len(widths)):
        needed = min(widths[index], room)
        if groups[-1] and needed > left:
            groups.append([])
            left = room
        groups[-1].append(index)
        left -= needed + GAP
    return groups


def _block(
    rows: Sequence[Sequence[str]], shown: Sequence[int], widths: Sequence[int], room: int | None
) -> list[list[str]]:
    return [_lines([row[index] for index in shown], [widths[index] for index in shown], room) for row in rows]


def _lines(cells: Sequence[str], widths: Sequence[int], room: int | None) -> list[str]:
    """One row: one line, or more where a cell had to be broken."""
    if room is None:
        return [_joined(cells, widths)]
    fitting = [widths[0], *(min(width, room) for width in widths[1:])]
    parts = [[cells[0]], *(_broken(cell, width) for cell, width in zip(cells[1:], fitting[1:], strict=True))]
    depth = max(map(len, parts))
    return [_joined([part[at] if at < len(part) else "" for part in parts], fitting, depth > 1) for at in range(depth)]


def _broken(cell: str, width: int) -> list[str]:
    if width_of(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def _joined(cells: Sequence[str], widths: Sequence[int], texts: bool = False) -> str:
    padded = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - width_of(cell))
        padded.append(cell + space if index == 0 or texts else space + cell)
    return (" " * GAP).join(padded).rstrip()
