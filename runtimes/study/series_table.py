"""A study's series as a table, for the user's choice."""

from collections.abc import Sequence

from miniseg_edge.console import terminal
from miniseg_edge.console.voice import answering
from miniseg_edge.studies import SeriesSummary

_COLUMNS = ("number", "description", "kernel", "slices", "mm", "segmentable")
_KERNEL, _UID_END = 10, 6


def show_series(series: Sequence[SeriesSummary]) -> None:
    """Prints the table, within 80 columns, and below it each series' UID."""
    terminal.answer(series)
    rows = [
        (
            _number(one),
            one.description,
            one.kernel[:_KERNEL],
            f"{one.slices}",
            "" if one.spacing_mm is None else f"{one.spacing_mm:.2f}",
            one.obstacle or "yes",
        )
        for one in series
    ]
    with answering():
        terminal.table("Series", _COLUMNS, rows, [index for index, one in enumerate(series) if one.obstacle])
        for uid in dict.fromkeys(one.uid for one in series):
            numbers = ", ".join(_number(one) for one in series if one.uid == uid)
            terminal.say(f"{numbers}: {uid or 'without a SeriesInstanceUID'}")


def _number(one: SeriesSummary) -> str:
    """Its name, or the end of its UID, which is printed in full below the table."""
    if one.uid and one.name.startswith(one.uid):
        return f"..{one.uid[-_UID_END:]}{one.name.removeprefix(one.uid)}"
    return one.name or "none"
