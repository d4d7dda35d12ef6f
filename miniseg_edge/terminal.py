"""What people see: steps, progress and tables through rich, or plain lines where rich is not installed.

The embedded runtime is numpy, OpenCV and one backend; `miniseg-segment` and `miniseg-verify` work with those alone.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO, TypeVar

from miniseg_edge.dependencies import installed

Item = TypeVar("Item")
Style = Literal["plain", "good", "bad", "warning"]

PATIENCE_S = 2.0

_RICH_STYLES = {"plain": "", "good": "green", "bad": "bold red", "warning": "yellow"}
_HAS_RICH = installed("rich")
_bars: list[Any] = []
"""Consoles that show a progress bar, the latest last."""


def say(text: str, style: Style = "plain") -> None:
    """A line on standard output."""
    _write(text, style, error=False)


def warn(text: str) -> None:
    """A line on standard error, in yellow."""
    _write(f"warning: {text}", "warning", error=True)


def fail(text: str) -> None:
    """A line on standard error, in red."""
    _write(text, "bad", error=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], bad_rows: Sequence[int] = ()) -> None:
    """A table on standard output; the first column is text, the others are figures; bad rows stand out in red."""
    title = _encodable(title, sys.stdout)
    columns, *rows = [[_encodable(cell, sys.stdout) for cell in line] for line in (columns, *rows)]
    if not _HAS_RICH or not sys.stdout.isatty():  # in a pipe, rich would fold cells into 80 columns
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for row in ([title], columns, *rows):
            cells = [
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=False))
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        shown.add_column(column, justify="left" if i == 0 else "right", overflow="fold", no_wrap=i == 0)
    for index, row in enumerate(rows):
        shown.add_row(*(Text(cell) for cell in row), style="bold red" if index in bad_rows else None)
    _console(error=False).print(shown)


def track(items: Sequence[Item], description: str) -> Iterable[Item]:
    """The items, with a progress bar while they are worked through."""
    if not _HAS_RICH:
        sys.stderr.write(f"{description}: {len(items)}\n")
        return items
    from rich.progress import track as rich_track

    console = _console(error=True)
    return rich_track(items, description=description, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def counted(description: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, for work that reports (done, of) itself."""
    if not _HAS_RICH:
        sys.stderr.write(f"{description}: {total}\n")
        yield lambda done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = _console(error=True)
    # A bar in a file or a pipe would be an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar, _above(console):
        task = bar.add_task(description, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def step(description: str) -> Iterator[Callable[[str], None]]:
    """A step with a spinner while it runs, and a line with its duration in seconds when it is done.

    Yields what takes a few words on how far it is, from any thread.
    """
    start = time.perf_counter()
    if _HAS_RICH:
        with _console(error=True).status(description) as status:
            yield lambda said: status.update(f"{description}: {said}")
    else:
        yield lambda said: None
    say(f"  {description}: {time.perf_counter() - start:.1f} s")


@contextmanager
def patience(description: str) -> Iterator[None]:
    """Says what is going on, on standard error, if it takes longer than people wait without asking; else nothing."""
    timer = threading.Timer(PATIENCE_S, lambda: _write(f"{description} ...", "plain", error=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _write(text: str, style: Style, *, error: bool) -> None:
    stream = sys.stderr if error else sys.stdout
    text = _encodable(text, stream)
    if not _HAS_RICH:
        stream.write(text + "\n")
        return
    from rich.text import Text

    console = _bars[-1] if _bars and stream.isatty() else _console(error=error)
    console.print(Text(text, style=_RICH_STYLES[style]), soft_wrap=True)


@contextmanager
def _above(console: Any) -> Iterator[None]:
    """Inside, lines for the terminal go through this console, which puts them above its progress bar."""
    _bars.append(console)
    try:
        yield
    finally:
        _bars.remove(console)


def _encodable(text: str, stream: TextIO) -> str:
    """The text with escapes for what the stream's encoding cannot say: a sign must not stop a command."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _console(*, error: bool):  # type: ignore[no-untyped-def]
    from rich.console import Console

    return Console(stderr=error, highlight=False)
