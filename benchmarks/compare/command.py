"""`miniseg-bench compare`."""

import argparse
from dataclasses import asdict
from pathlib import Path

from miniseg_edge.benchmarks.compare.compare import Change, compare
from miniseg_edge.benchmarks.report import report_from_file
from miniseg_edge.benchmarks.subcommand import Subcommand
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError


def _add_options(parser: argparse.ArgumentParser) -> None:
    for name in ("old", "new"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help="report.json of a run")


def _work(parsed: argparse.Namespace) -> bool:
    """Prints the changes; returns whether nothing got worse."""
    before, after = report_from_file(parsed.old), report_from_file(parsed.new)
    if before.machine.name != after.machine.name:
        terminal.warn(f"two machines: {before.machine.name} and {after.machine.name}")
    changes = compare(before, after)
    if not changes:
        raise UsageError(
            "the reports have nothing in common to compare",
            expected="configurations of one name with single-stream latencies in both",
            got="none",
        )
    _show(changes)
    terminal.answer([{**asdict(change), "verdict": change.verdict} for change in changes])
    return not any(change.worse for change in changes)


def _show(changes: tuple[Change, ...]) -> None:
    rows = [
        (c.name, f"{c.speed.ratio:.3f}", f"{c.speed.low:.3f}..{c.speed.high:.3f}", f"{c.dice_worst_new:.4f}", c.verdict)
        for c in changes
    ]
    columns = ("", "new/old speed", "95 % interval", "worst Dice", "verdict")
    terminal.table("New against old", columns, rows, [i for i, c in enumerate(changes) if c.worse])


COMPARE = Subcommand(
    "compare",
    "Two report.json of one machine: what got faster or slower.",
    _add_options,
    _work,
    examples=("miniseg-bench compare old/report.json new/report.json",),
)
