"""`miniseg-bench serve`: load on a service, and its report."""

import argparse

from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.benchmarks.subcommand import Subcommand, add_bundle, add_output, add_threads
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.backends.registry import AUTO

_FILES = ("serve.json", "serve.png")
_MAX_SECONDS = 86_400.0


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_bundle(parser)
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of each load (%(default)g)")
    add_output(parser, " and ".join(_FILES))
    parser.add_argument("--runtime", default=AUTO, metavar="NAME", help="of the service (%(default)s)")
    add_threads(parser)


def _work(parsed: argparse.Namespace) -> bool:
    """Loads a service, prints the result, and writes the record and the picture; returns whether all was well."""
    if not 0 < parsed.seconds <= _MAX_SECONDS:
        raise UsageError(
            "the duration of the load test is invalid",
            expected=f"--seconds above 0 up to {_MAX_SECONDS:g}",
            got=f"{parsed.seconds:g}",
        )
    check_installed(("psutil", "matplotlib"), "bench")
    check_installed(("starlette", "h11", "prometheus_client"), "serve")
    from miniseg_edge.benchmarks.serve.load_test import load_test
    from miniseg_edge.benchmarks.serve.picture import png_from_serve, show_serve

    outputs = outputs_in(parsed.output, _FILES, overwrite=parsed.overwrite)
    report = load_test(parsed.bundle, parsed.seconds, parsed.runtime, parsed.threads)
    show_serve(report)
    terminal.answer(report)
    for path, content in zip(outputs, (json_from_record(report).encode(), png_from_serve(report)), strict=True):
        replace_file(path, content)
    terminal.say(f"{outputs[0]} and {outputs[1]}", "good" if report.sound else "bad")
    return report.sound


SERVE = Subcommand(
    "serve",
    "8 clients of a miniseg-serve: as fast as it answers, then at half, full and twice that; every mask checked.",
    _add_options,
    _work,
    examples=("miniseg-bench serve bundle --seconds 10 --output serve",),
)
