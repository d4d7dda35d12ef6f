"""`miniseg-bench`: numbers that a deployment engineer can sign."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge import terminal
from miniseg_edge.benchmarks.archive_command import add_archive_options, archive_command
from miniseg_edge.benchmarks.networks_command import (
    add_networks_options,
    compare_networks_command,
    refuse_networks_options,
)
from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.commands import DONE, FAILED, exit_code_of
from miniseg_edge.dependencies import check_installed
from miniseg_edge.errors import UsageError
from miniseg_edge.files import replace_file
from miniseg_edge.records import json_from_record

SCENARIOS = ("single-stream", "offline", "burst")
_PROFILED = 15
_MAX_HOURS = 10_000.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error (--compare: got worse; --soak, --serve: not sound), 2 usage."""
    parsed = _parser().parse_args(arguments)
    if parsed.compare:
        worse: list[bool] = []
        code = exit_code_of(lambda: worse.append(_compare(*parsed.compare)))
        return FAILED if code == DONE and worse[0] else code
    if parsed.soak is not None:
        sound: list[bool] = []
        code = exit_code_of(lambda: sound.append(_soak(parsed)))
        return FAILED if code == DONE and not sound[0] else code
    if parsed.serve is not None:
        kept: list[bool] = []
        code = exit_code_of(lambda: kept.append(_serve(parsed)))
        return FAILED if code == DONE and not kept[0] else code
    return exit_code_of(lambda: _bench(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniseg-bench",
        description="Measures every runtime of a bundle that this machine can run, each in its own process, in turns.",
        epilog="Exit codes: 0 done; 1 error, or with --compare something got worse beyond noise, or with --soak or "
        "--serve a mask was wrong or something grew; 2 usage.",
    )
    parser.add_argument(
        "bundle",
        nargs="*",
        type=Path,
        help="directory from miniseg-export; with --compare-networks: trained checkpoints, any number",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="gets report.json and report.html")
    parser.add_argument(
        "--runtime", action="extend", nargs="+", default=[], metavar="NAME", help="one or more; default: all at hand"
    )
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="repeatable; default: single-stream")
    parser.add_argument("--peers", action="store_true", help="measure what people would use without us, too")
    parser.add_argument("--input", type=Path, metavar="PATH", help="slices; default: demo phantoms")
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR", help="slices for the INT8 peers; default: those of --input"
    )
    parser.add_argument("--labels", type=Path, metavar="DIR", help="masks of the same names, for mIoU")
    parser.add_argument("--threads", type=int, metavar="N", help="of each runtime; default: its own choice")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="of each configuration (%(default)g)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns it is measured in (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="show the operators that cost most")
    parser.add_argument(
        "--self-check", action="store_true", help="plant a delay and a leak of known size, and see them reported"
    )
    add_networks_options(parser)
    add_archive_options(parser)
    parser.add_argument(
        "--soak",
        type=float,
        metavar="HOURS",
        help="instead of measuring: mixed traffic, bad input and reloads for so long; --output gets soak.json and .png",
    )
    parser.add_argument(
        "--serve",
        type=float,
        metavar="SECONDS",
        help="instead of measuring: 8 clients of a miniseg-serve, as fast as it answers, then at half, full and twice "
        "that, each for so long; --output gets serve.json and .png",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace reports that are there already")
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="two report.json instead of a run"
    )
    return parser


def _bench(parsed: argparse.Namespace) -> None:
    if parsed.archive:
        archive_command(parsed)
        return
    if parsed.compare_networks:
        compare_networks_command(parsed)
        return
    if len(parsed.bundle) == 1 and parsed.self_check:
        check_installed(("psutil",), "bench")
        from miniseg_edge.benchmarks.self_check import self_check

        self_check(parsed.bundle[0], parsed.duration)
        return
    if len(parsed.bundle) != 1 or parsed.output is None:
        wanted = "BUNDLE --output DIR, --compare OLD NEW, or --compare-networks"
        raise UsageError("what to measure, and where to", wanted, f"{len(parsed.bundle)} bundles")
    refuse_networks_options(parsed)
    if not (parsed.duration > 0 and 2 <= parsed.rounds <= 1000):
        raise UsageError("no such measurement", "--duration above 0 and --rounds of 2 or more", "")
    check_installed(("psutil", "matplotlib"), "bench")
    outputs = outputs_in(parsed.output, ("report.json", "report.html"), overwrite=parsed.overwrite)
    from miniseg_edge.benchmarks.html import html_from_report
    from miniseg_edge.benchmarks.run import BenchmarkRequest, run_benchmark
    from miniseg_edge.benchmarks.tables import show_profile, show_report

    request = BenchmarkRequest(
        bundle=parsed.bundle[0],
        runtimes=tuple(dict.fromkeys(parsed.runtime)),
        scenarios=tuple(dict.fromkeys(parsed.scenario or ["single-stream"])),
        peers=parsed.peers,
        slices=parsed.input,
        labels=parsed.labels,
        calibration=parsed.calibration,
        threads=parsed.threads,
        duration_s=parsed.duration,
        rounds=parsed.rounds,
    )
    found = run_benchmark(request)
    show_report(found.report)
    if parsed.profile:
        show_profile(request.bundle, found.report, _PROFILED)
    replace_file(outputs[0], json_from_record(found.report).encode())
    replace_file(outputs[1], html_from_report(found.report, found.disagreements).encode())
    terminal.say(f"{outputs[0]} and {outputs[1]}", "good")


def _soak(parsed: argparse.Namespace) -> bool:
    """Soaks the bundle's artefacts; whether all was well."""
    if len(parsed.bundle) != 1 or parsed.output is None or not 0 < parsed.soak <= _MAX_HOURS:
        raise UsageError("no such soak", f"BUNDLE --output DIR --soak HOURS, above 0 up to {_MAX_HOURS}", "")
    check_installed(("psutil", "matplotlib"), "bench")
    from miniseg_edge.benchmarks.soak_command import FILES, configurations_of, soak_bundle

    outputs = outputs_in(parsed.output, FILES, overwrite=parsed.overwrite)
    configurations = configurations_of(parsed.bundle[0], parsed.runtime, parsed.threads)
    return soak_bundle(parsed.bundle[0], parsed.soak, configurations, outputs).sound


def _serve(parsed: argparse.Namespace) -> bool:
    """Loads a service of the bundle; whether all was well."""
    check_installed(("psutil", "matplotlib"), "bench")
    check_installed(("starlette", "uvicorn", "prometheus_client"), "serve")
    from miniseg_edge.benchmarks.serve_command import FILES, MAX_SERVE_S, serve_load

    runtimes = parsed.runtime or ["auto"]
    if len(parsed.bundle) != 1 or parsed.output is None or not 0 < parsed.serve <= MAX_SERVE_S or len(runtimes) != 1:
        wanted = f"BUNDLE --output DIR --serve SECONDS, above 0 up to {MAX_SERVE_S:g}, and one --runtime at most"
        raise UsageError("no such load test", wanted, "")
    outputs = outputs_in(parsed.output, FILES, overwrite=parsed.overwrite)
    return serve_load(parsed.bundle[0], parsed.serve, runtimes[0], parsed.threads, outputs).sound


def _compare(old: Path, new: Path) -> bool:
    """Shows what changed; whether anything got worse."""
    from miniseg_edge.benchmarks.compare import compare
    from miniseg_edge.benchmarks.report import report_from_file
    from miniseg_edge.benchmarks.tables import show_changes

    before, after = report_from_file(old), report_from_file(new)
    if before.machine.name != after.machine.name:
        terminal.warn(f"two machines: {before.machine.name} and {after.machine.name}")
    changes = compare(before, after)
    if not changes:
        raise UsageError(
            "nothing to compare", "configurations of one name with single-stream latencies in both", "none"
        )
    show_changes(changes)
    return any(change.worse for change in changes)
