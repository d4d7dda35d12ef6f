"""`miniseg-bench run`: its options, and its two reports."""

import argparse
from pathlib import Path

from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.benchmarks.subcommand import (
    Subcommand,
    add_bundle,
    add_output,
    add_runtimes,
    add_schedule,
    add_slices,
    schedule_of,
)
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file

_FILES = ("report.json", "report.html")
_PROFILED = 15


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_bundle(parser)
    add_output(parser, " and ".join(_FILES))
    add_runtimes(parser)
    add_schedule(parser)
    add_slices(parser)
    parser.add_argument("--peers", action="store_true", help="also measure alternatives to this package")
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR", help="slices for the INT8 peers; default: those of --input"
    )
    parser.add_argument("--profile", action="store_true", help="show the most expensive operators")


def _work(parsed: argparse.Namespace) -> None:
    schedule = schedule_of(parsed)
    check_installed(("psutil", "matplotlib"), "bench")
    outputs = outputs_in(parsed.output, _FILES, overwrite=parsed.overwrite)
    from miniseg_edge.benchmarks.html import html_from_report
    from miniseg_edge.benchmarks.run.request import BenchmarkRequest
    from miniseg_edge.benchmarks.run.run import run_benchmark
    from miniseg_edge.benchmarks.tables import show_profile, show_report

    request = BenchmarkRequest(
        bundle=parsed.bundle,
        runtimes=tuple(dict.fromkeys(parsed.runtime)),
        schedule=schedule,
        peers=parsed.peers,
        slices=parsed.input,
        labels=parsed.labels,
        calibration=parsed.calibration,
        threads=parsed.threads,
    )
    done = run_benchmark(request)
    show_report(done.report)
    terminal.answer(done.report)
    if parsed.profile:
        show_profile(request.bundle, done.report, _PROFILED)
    replace_file(outputs[0], json_from_record(done.report).encode())
    replace_file(outputs[1], html_from_report(done.report, done.disagreements).encode())
    terminal.say(f"{outputs[0]} and {outputs[1]}", "good")


RUN = Subcommand(
    "run",
    "Every artefact of a bundle that this machine runs, each turn in its own process.",
    _add_options,
    _work,
    examples=(
        "miniseg-bench run bundle --output report",
        "miniseg-bench run bundle --output report --peers --scenario single-stream",
    ),
)
