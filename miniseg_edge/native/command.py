"""Prints where header and library are, like pkg-config."""

import argparse
import shlex
from collections.abc import Sequence

from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.voice import answering
from miniseg_edge.native.binding import PATH
from miniseg_edge.native.build import SOURCES


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line of words for a compiler; without options, all of them."""
    parser = Parser(
        prog="python -m miniseg_edge.native",
        description="What a compiler needs for libminiseg.",
        examples=("python -m miniseg_edge.native --cflags", "python -m miniseg_edge.native --libs"),
    )
    parser.add_argument("--cflags", action="store_true", help="where miniseg.h lies")
    parser.add_argument("--libs", action="store_true", help="the library, found at run time where it is now")
    return run(parser, arguments, _show)


def _show(parsed: argparse.Namespace) -> None:
    words: list[str] = []
    if parsed.cflags or not parsed.libs:
        words.append(f"-I{SOURCES}")
    if parsed.libs or not parsed.cflags:
        words += [str(PATH), f"-Wl,-rpath,{PATH.parent}"]
    with answering():
        terminal.say(shlex.join(words))
