"""Terminal output: steps, progress and tables through rich, or plain lines if rich is not installed.

The embedded runtime is numpy, OpenCV and one backend, and `miniseg-segment` and `miniseg-verify` work with just those.
Every text is shown as `printable` text, never as rich's markup, because file names and bundle contents appear in it.
"""

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO, TypeVar

from miniseg_edge.host.dependencies import installed
from miniseg_edge.printable import printable

Item = TypeVar("Item")
Style = Literal["plain", "good", "bad", "warning"]

PATIENCE_S = 2.0

_MIN_COLUMNS, _INDENT = 20, 4
"""Of a hanging line: columns for its text, however narrow the terminal is, and the indent below one without a head."""

_RICH_STYLES = {"plain": "", "good": "green", "bad": "bold red", "warning": "yellow"}
_HAS_RICH = installed("rich")
_bars: list[Any] = []
"""Consoles that show a progress bar, the most recent last."""


def say(text: str, style: Style = "plain") -> None:
    """A line on standard output."""
    _write(text, style, error=False)


def warn(text: str) -> None:
    """A line on standard error, in yellow."""
    _write(f"warning: {text}", "warning", error=True)


def fail(text: str) -> None:
    """A line on standard error, in red."""
    _write(text, "bad", error=True)


def points(title: str, texts: Sequence[str]) -> None:
    """A list on standard output, in yellow, at the end of a command; nothing if it is empty.

    Each text is a line, which a terminal wraps between words.
    """
    if not texts:
        return
    say(title, "warning")
    for text in texts:
        hanging("  - ", text, "warning")


def hanging(head: str, text: str, style: Style = "plain") -> None:
    """A line on standard output, wrapped between words; continuation lines are indented to `text`.

    So no part of a long text can start an unindented line, where `head` is. ASCII words are not split.
    """
    head, text = printable(head), printable(text)
    width = sys.maxsize
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        width = max(columns if text.isascii() else columns // 2, len(head) + _MIN_COLUMNS)  # a letter may take two
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * (len(head) or _INDENT),
        break_long_words=not text.isascii(),
        break_on_hyphens=False,
    )
    for line in lines or [head]:
        say(line, style)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], bad_rows: Sequence[int] = ()) -> None:
    """A table on standard output. The first column is text, the others are numbers; bad rows are red."""
    title = _shown(title, sys.stdout)
    columns, *rows = [[_shown(cell, sys.stdout) for cell in line] for line in (columns, *rows)]
    if not _HAS_RICH or not sys.stdout.isatty():  # in a pipe, rich would fold cells into 80 columns
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for row in ([title], columns, *rows):
            cells = [
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=False))
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        return
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    console = _console(error=False)
    natural = sum(max(map(cell_len, cells)) + 2 for cells in zip(columns, *rows, strict=True))
    gap = int(natural <= console.width)  # a narrow terminal would have the last columns folded
    shown = Table(title=Text(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, gap, 0, 0))
    for i, column in enumerate(columns):
        shown.add_column(Text(column), justify="left" if i == 0 else "right", overflow="fold", no_wrap=i == 0)
    for index, row in enumerate(rows):
        shown.add_row(*(Text(cell) for cell in row), style="bold red" if index in bad_rows else None)
    console.print(shown)


def track(items: Sequence[Item], description: str) -> Iterable[Item]:
    """The items, with a progress bar while they are processed."""
    if not _HAS_RICH:
        _write(f"{description}: {len(items)}", "plain", error=True)
        return items
    from rich.markup import escape
    from rich.progress import track as rich_track

    console = _console(error=True)
    described = escape(_shown(description, sys.stderr))
    return rich_track(items, description=described, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def counted(description: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the remaining time, for work that reports (done, total) itself."""
    if not _HAS_RICH:
        _write(f"{description}: {total}", "plain", error=True)
        yield lambda done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = _console(error=True)
    # In a file or a pipe, a bar would be an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar, _above(console):
        task = bar.add_task(_shown(description, sys.stderr), total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def step(description: str) -> Iterator[Callable[[str], None]]:
    """A step with a spinner while it runs, and a line with its duration in seconds when it is done.

    Yields a function that accepts a short progress text, from any thread.
    """
    start = time.perf_counter()
    if _HAS_RICH:
        from rich.text import Text

        with _console(error=True).status(Text(_shown(description, sys.stderr))) as status:
            yield lambda said: status.update(Text(_shown(f"{description}: {said}", sys.stderr)))
    else:
        yield lambda said: None
    say(f"  {description}: {time.perf_counter() - start:.1f} s")


@contextmanager
def patience(description: str) -> Iterator[None]:
    """Prints what is happening on standard error if it takes longer than users wait without wondering."""
    timer = threading.Timer(PATIENCE_S, lambda: _write(f"{description} ...", "plain", error=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _write(text: str, style: Style, *, error: bool) -> None:
    stream = sys.stderr if error else sys.stdout
    text = _shown(text, stream)
    if not _HAS_RICH:
        stream.write(text + "\n")
        stream.flush()  # so that both streams in one file are in order
        return
    from rich.text import Text

    console = _bars[-1] if _bars and stream.isatty() else _console(error=error)
    console.print(Text(text, style=_RICH_STYLES[style]), soft_wrap=True)


@contextmanager
def _above(console: Any) -> Iterator[None]:
    """Inside, terminal lines go through this console, which puts them above its progress bar."""
    _bars.append(console)
    try:
        yield
    finally:
        _bars.remove(console)


def _shown(text: str, stream: TextIO) -> str:
    """Printable text, escaped where the stream's encoding cannot represent it: a character must not stop a command."""
    encoding = stream.encoding or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def _console(*, error: bool):  # type: ignore[no-untyped-def]
    from rich.console import Console

    return Console(stderr=error, highlight=False)
