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
from miniseg_edge.console.commands import Parser, run

SUBCOMMANDS = (RUN, SOAK, SERVE, ARCHIVE, NETWORKS, COMPARE, SELF_CHECK)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error or what was measured is not as it should be, 2 usage."""
    words = _with_subcommand(sys.argv[1:] if arguments is None else arguments)
    return run(_parser(), words, _work)


def _work(parsed: argparse.Namespace) -> bool | None:
    chosen: Subcommand = parsed.chosen
    return chosen.work(parsed)


def _with_subcommand(words: Sequence[str]) -> list[str]:
    """The first word names a subcommand, or `run` is meant."""
    known = (*(subcommand.name for subcommand in SUBCOMMANDS), "-h", "--help", "--version")
    return list(words) if words and words[0] in known else [RUN.name, *words]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-bench",
        description="Measures bundles: speed, accuracy, endurance. `miniseg-bench BUNDLE ...` means "
        "`miniseg-bench run BUNDLE ...`; write ./NAME for a bundle that is named like a subcommand.",
        epilog="Exit codes: 0 done; 1 error, or a mask was wrong or something grew (soak, serve), or something got "
        "worse beyond noise (compare); 2 usage; 3 the instrument is not to be trusted here (self-check).",
        only_subcommands=True,
        examples=(
            "miniseg-bench bundle --output report --peers",
            "miniseg-bench soak bundle --hours 1 --output soak",
            "miniseg-bench compare old/report.json new/report.json",
        ),
    )
    choices = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        own = choices.add_parser(
            subcommand.name,
            help=subcommand.help,
            description=subcommand.help,
            examples=subcommand.examples,
            answers=subcommand.answers,
        )
        subcommand.add_options(own)
        own.set_defaults(chosen=subcommand)
    return parser
