"""Pieces of a page; their arguments are HTML already."""

from collections.abc import Collection, Sequence

_FULL_WIDTH_COLUMNS = 5


def section(title: str, body: str, kind: str = "") -> str:
    """`kind`: "page" starts a sheet of paper, "whole" is not split over two."""
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{body}\n</section>'


def figure(plot: str, note: str) -> str:
    """A plot and, below it, a note."""
    caption = f'<figcaption class="note">{note}</figcaption>' if note else ""
    return f'<figure><div class="plot">{plot}</div>{caption}</figure>'


def table_of(columns: Sequence[str], rows: Sequence[str], words: Collection[int] = ()) -> str:
    """`words`: columns other than the first that hold text, not figures."""
    kinds = ("words" if i in words else "" for i in range(len(columns)))
    head = "".join(f'<th scope="col"{_class(kind)}>{name}</th>' for name, kind in zip(columns, kinds, strict=True))
    narrow = _class("narrow" if len(columns) < _FULL_WIDTH_COLUMNS else "")
    return (
        f'<div class="wide"><table{narrow}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>\n"
    )


def row(cells: Sequence[str], *, bad: bool = False) -> str:
    """Of cells from `th` and `td`; `bad` is red."""
    return f"<tr{_class('bad' if bad else '')}>{''.join(cells)}</tr>"


def th(content: str) -> str:
    """A row's first cell."""
    return f'<th scope="row">{content}</th>'


def td(content: str, kind: str = "") -> str:
    """Any other cell; `kind` is its class."""
    return f"<td{_class(kind)}>{content}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
