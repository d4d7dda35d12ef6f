"""Prints where header and library are, like pkg-config."""

import shlex
import sys
from collections.abc import Sequence

from miniseg_edge.console.commands import Parser
from miniseg_edge.native.binding import PATH
from miniseg_edge.native.build import SOURCES


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one line of options for a compiler; without arguments, all of them."""
    parser = Parser(prog="python -m miniseg_edge.native", description="What a compiler needs for libminiseg.")
    parser.add_argument("--cflags", action="store_true", help="the folder of miniseg.h")
    parser.add_argument("--libs", action="store_true", help="the library, found at run time where it is now")
    parsed = parser.parse_args(arguments)
    words: list[str] = []
    if parsed.cflags or not parsed.libs:
        words.append(f"-I{SOURCES}")
    if parsed.libs or not parsed.cflags:
        words += [str(PATH), f"-Wl,-rpath,{PATH.parent}"]
    sys.stdout.write(f"{shlex.join(words)}\n")
