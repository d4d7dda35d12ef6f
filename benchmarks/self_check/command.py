"""`miniseg-bench self-check`."""

import argparse

from miniseg_edge.benchmarks.subcommand import Subcommand, add_bundle, add_duration
from miniseg_edge.host.dependencies import check_installed


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_bundle(parser)
    add_duration(parser)


def _work(parsed: argparse.Namespace) -> None:
    check_installed(("psutil",), "bench")
    from miniseg_edge.benchmarks.self_check.self_check import self_check

    self_check(parsed.bundle, parsed.duration)


SELF_CHECK = Subcommand(
    "self-check",
    "Plants a delay and a leak of known size, and sees them reported.",
    _add_options,
    _work,
    examples=("miniseg-bench self-check bundle --duration 5",),
    answers=False,
)
