"""Terminal output: steps, progress and tables through rich, or plain lines if rich is not installed.

The embedded runtime is numpy, OpenCV and one backend, and `miniseg-segment` and `miniseg-verify` work with just those.
Every text is shown as `printable` text, never as rich's markup, because file names and bundle contents appear in it.
"""

import dataclasses
import json
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from miniseg_edge.console.columns import blocks_of
from miniseg_edge.console.streams import put
from miniseg_edge.console.voice import voice
from miniseg_edge.host.dependencies import installed
from miniseg_edge.printable import printable

Item = TypeVar("Item")
Style = Literal["plain", "title", "good", "bad", "warning"]

PATIENCE_S = 2.0

_MIN_COLUMNS, _INDENT = 20, 4
"""Of a hanging line: columns for its text, however narrow the terminal is, and the indent below one without a head."""

_NOTED_BAR = 12
"""Columns of a progress bar that has a note behind it, so that both fit into 80."""

_RICH_STYLES = {"plain": "", "title": "bold", "good": "green", "bad": "bold red", "warning": "yellow"}
_HAS_RICH = installed("rich")
_bars: list[Any] = []
"""Consoles that show a progress bar, the most recent last."""


def answer(content: object) -> None:
    """Writes this as a JSON document on standard output, if --json asks for it.

    Args:
        content: of JSON's own types, dataclasses and paths; finite numbers alone.
    """
    if voice().json:
        put(sys.stdout, json.dumps(content, indent=2, allow_nan=False, default=_plain) + "\n")


def say(text: str, style: Style = "plain") -> None:
    """A line on standard output; --quiet suppresses it unless it is a warning."""
    if style in ("bad", "warning") or not voice().quiet:
        _write(text, style, _text_stream())


def warn(text: str) -> None:
    """A line on standard error, in yellow."""
    _write(f"warning: {text}", "warning", sys.stderr)


def fail(text: str) -> None:
    """A line on standard error, in red."""
    _write(text, "bad", sys.stderr)


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
    if _text_stream().isatty():
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
    """A table; the first column is text, the others are figures; bad rows stand out in red.

    On a terminal nothing is broken inside a figure: columns that do not fit stand in a second block below.
    """
    if voice().quiet:
        return
    head = [[_shown(cell, sys.stdout) for cell in line] for line in (columns, *rows)]
    stream = _text_stream()
    width = shutil.get_terminal_size().columns if stream.isatty() else None
    say(title, "title")
    for number, block in enumerate(blocks_of(head, width)):
        if number:
            say("")
        for index, lines in enumerate(block, -1):
            for line in lines:
                say(line, "bad" if index in bad_rows else "plain")


def track(items: Sequence[Item], description: str) -> Iterable[Item]:
    """The items, with a progress bar while they are worked through."""
    if voice().quiet:
        return items
    if not _HAS_RICH:
        _write(f"{description}: {len(items)}", "plain", sys.stderr)
        return items
    from rich.markup import escape
    from rich.progress import track as rich_track

    console = _console(sys.stderr)
    described = escape(_shown(description, sys.stderr))
    return rich_track(items, description=described, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def counted(
    description: str, total: int, note: Callable[[], str] | None = None
) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, for work that reports (done, of) itself.

    `note` gives the text behind it, which is cut where the line ends.
    """
    if voice().quiet or not _HAS_RICH:
        if not voice().quiet:
            _write(f"{description}: {total}", "plain", sys.stderr)
        yield lambda done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()]
    columns.append(TimeRemainingColumn())
    if note is not None:
        cut = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns[1] = BarColumn(_NOTED_BAR)
        columns.append(TextColumn("{task.fields[note]}", markup=False, table_column=cut))
    console = _console(sys.stderr)
    # A bar in a file or a pipe would be an empty line. Where a note takes what is left of the line, all of it is used.
    shown = {"console": console, "transient": True, "disable": not console.is_terminal, "expand": note is not None}
    with Progress(*columns, **shown) as bar, _above(console):
        task = bar.add_task(_shown(description, sys.stderr), total=total, note="")

        def update(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, note="" if note is None else _shown(note(), sys.stderr))

        yield update


@contextmanager
def step(description: str) -> Iterator[Callable[[str], None]]:
    """A step with a spinner while it runs, and a line with its duration in seconds when it is done.

    Yields a function that accepts a short progress text, from any thread.
    """
    start = time.perf_counter()
    if _HAS_RICH and not voice().quiet:
        from rich.text import Text

        with _console(sys.stderr).status(Text(_shown(description, sys.stderr))) as status:
            yield lambda said: status.update(Text(_shown(f"{description}: {said}", sys.stderr)))
    else:
        yield lambda said: None
    say(f"  {description}: {time.perf_counter() - start:.1f} s")


@contextmanager
def patience(description: str) -> Iterator[None]:
    """Prints what is running on standard error if it takes longer than users wait without wondering."""
    if voice().quiet:
        yield
        return
    timer = threading.Timer(PATIENCE_S, lambda: _write(f"{description} ...", "plain", sys.stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _text_stream() -> TextIO:
    return sys.stderr if voice().json else sys.stdout


def _plain(content: object) -> object:
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        return {field.name: getattr(content, field.name) for field in dataclasses.fields(content)}
    if isinstance(content, Path):
        return printable(str(content))
    raise TypeError(f"no JSON of {type(content).__name__}")


def _write(text: str, style: Style, stream: TextIO) -> None:
    text = _shown(text, stream)
    if not _HAS_RICH or not stream.isatty():
        put(stream, text + "\n")
        return
    from rich.text import Text

    console = _bars[-1] if _bars else _console(stream)
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


def _console(stream: TextIO):  # type: ignore[no-untyped-def]
    from rich.console import Console

    return Console(file=stream, highlight=False)
