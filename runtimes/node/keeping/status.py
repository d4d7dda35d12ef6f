"""The series in a spool, by hash, whether or not a node is running."""

from collections.abc import Iterator
from pathlib import Path

from miniseg_edge.console import terminal
from miniseg_edge.console.voice import answering
from miniseg_edge.errors import IntegrityError, UsageError
from miniseg_edge.plurals import number_of
from miniseg_edge.runtimes.node.keeping.records import DONE
from miniseg_edge.runtimes.node.keeping.series_folder import SeriesFolder
from miniseg_edge.runtimes.node.keeping.spool import Spool

_SHOWN = 200
_COLUMNS = ("series", "state", "images", "round", "objects", "reason")


def show_status(root: Path) -> None:
    """Prints a table of all series. Raises: UsageError if there is no spool."""
    spool = Spool(root)
    if not spool.series.is_dir():
        raise UsageError(f"{root} is not a spool", expected="the --spool of a node", got="nothing there")
    rows, at_work = list(_rows(spool)), spool.is_at_work()
    terminal.answer({"at_work": at_work, "series": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]})
    with answering():
        terminal.say("a node is at work here" if at_work else "no node is at work here")
        terminal.table("Series", _COLUMNS, rows[:_SHOWN])
        if len(rows) > _SHOWN:
            terminal.say(f"... and {len(rows) - _SHOWN} more")
    if dead := len(spool.dead_keys()):
        terminal.warn(f"{number_of(dead, 'dead letter')}; --retry-dead tries again")


def _rows(spool: Spool) -> Iterator[tuple[str, ...]]:
    for key in spool.dead_keys():
        yield _row(SeriesFolder(spool.dead / key), "dead letter")
    for key in spool.series_keys():
        yield _row(SeriesFolder(spool.series / key), None)


def _row(folder: SeriesFolder, state: str | None) -> tuple[str, ...]:
    try:
        rounds, reason = folder.rounds(), folder.reason()
        last = rounds[-1] if rounds else None
        end = None if last is None else last.end()
        taken = None if last is None else last.taken()
        drawn = None if last is None else last.drawn()
    except IntegrityError as error:  # a node is writing at this moment, or somebody else did
        return folder.key, state or "unknown", "", "", "", error.code
    images = folder.images()
    if state is None:
        if last is None or (end is not None and taken is not None and set(taken.images) != images):
            state = "receiving"
        elif end is not None:
            state = "answered" if end.status == DONE else end.status
        else:
            state = "segmenting" if drawn is None else "sending"
    said = "" if reason is None else reason.code
    objects = "" if drawn is None else str(len(drawn.objects))
    return folder.key, state, str(len(images)), "" if last is None else str(last.number), objects, said
