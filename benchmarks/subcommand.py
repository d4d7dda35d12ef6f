"""The structure of `miniseg-bench`'s subcommands, and their common options."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.benchmarks.session.plan import SCENARIOS, SINGLE_STREAM, Schedule


@dataclass(frozen=True)
class Subcommand:
    """A row of the command's table.

    Attributes:
        name: on the command line.
        help: one line.
        add_options: to its parser.
        examples: command lines.
        answers: whether it can give its answer as JSON; then `work` calls `terminal.answer`.
        work: does it all; False if what was measured is not as it should be, exit code 1. Raises: MiniSegError.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    work: Callable[[argparse.Namespace], bool | None]
    examples: tuple[str, ...]
    answers: bool = True


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Adds the bundle to measure."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory from miniseg-export")


def add_output(parser: argparse.ArgumentParser, names: str) -> None:
    """Adds the destination of reports with these names."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help=f"gets {names}")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Of runtimes."""
    parser.add_argument("--threads", type=int, metavar="N", help="of each runtime; default: its own choice")


def add_runtimes(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of runtimes, and their threads."""
    parser.add_argument(
        "--runtime", action="extend", nargs="+", default=[], metavar="NAME", help="one or more; default: all available"
    )
    add_threads(parser)


def add_slices(parser: argparse.ArgumentParser) -> None:
    """What is segmented."""
    parser.add_argument("--input", type=Path, metavar="PATH", help="slices; default: demo phantoms")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="masks of the same names, for mIoU")


def add_duration(parser: argparse.ArgumentParser) -> None:
    """Of each configuration."""
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="of each configuration (%(default)g)")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """How long and how often."""
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help=f"repeatable; default: {SINGLE_STREAM}")
    add_duration(parser)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns per configuration (%(default)s)")


def schedule_of(parsed: argparse.Namespace) -> Schedule:
    """The values of `add_schedule`'s options. Raises: UsageError."""
    scenarios = tuple(dict.fromkeys(parsed.scenario or [SINGLE_STREAM]))
    return Schedule(scenarios, parsed.duration, parsed.rounds)
