"""`miniseg-bench`: numbers that a deployment engineer can sign."""

import argparse
import sys
from collections.abc import Sequence

from miniseg_edge.benchmarks.archive.command import ARCHIVE
from miniseg_edge.benchmarks.compare.command import COMPARE
from miniseg_edge.benchmarks.networks.command import NETWORKS
from miniseg_edge.benchmarks.run.command import RUN
from miniseg_edge.benchmarks.self_check.command import SELF_CHECK
from miniseg_edge.benchmarks.serve.command import SERVE
from miniseg_edge.benchmarks.soak.command import SOAK
from miniseg_edge.benchmarks.subcommand import Subcommand
from miniseg_edge.console.commands import Parser, exit_code_of

SUBCOMMANDS = (RUN, SOAK, SERVE, ARCHIVE, NETWORKS, COMPARE, SELF_CHECK)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error or a failed check, 2 usage."""
    parsed = _parser().parse_args(_with_subcommand(sys.argv[1:] if arguments is None else arguments))
    chosen: Subcommand = parsed.chosen
    return exit_code_of(lambda: chosen.work(parsed))


def _with_subcommand(words: Sequence[str]) -> list[str]:
    """Splits off the subcommand; the default is `run`."""
    known = (*(subcommand.name for subcommand in SUBCOMMANDS), "-h", "--help")
    return list(words) if words and words[0] in known else [RUN.name, *words]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-bench",
        description="Measures bundles: speed, accuracy, endurance. `miniseg-bench BUNDLE ...` means "
        "`miniseg-bench run BUNDLE ...`; write ./NAME for a bundle that is named like a subcommand.",
        epilog="Exit codes: 0 done; 1 error, or a mask was wrong or something grew (soak, serve), or something got "
        "worse beyond noise (compare); 2 usage; 3 measurements on this machine are not reliable (self-check).",
    )
    choices = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        own = choices.add_parser(subcommand.name, help=subcommand.help, description=subcommand.help)
        subcommand.add_options(own)
        own.set_defaults(chosen=subcommand)
    return parser
