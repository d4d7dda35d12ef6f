"""`miniseg-bench soak`: soaks, prints, writes, and reports whether all was well."""

import argparse
from datetime import datetime, timezone

from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.benchmarks.subcommand import Subcommand, add_bundle, add_output, add_runtimes
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file

_FILES = ("soak.json", "soak.png")
_MAX_HOURS = 10_000.0


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_bundle(parser)
    parser.add_argument(
        "--hours", type=float, default=1.0, metavar="H", help="duration (%(default)g); may be a fraction"
    )
    add_output(parser, " and ".join(_FILES))
    add_runtimes(parser)


def _work(parsed: argparse.Namespace) -> bool:
    """Soaks, prints the result, and writes the record and the picture; returns whether all was well."""
    if not 0 < parsed.hours <= _MAX_HOURS:
        raise UsageError(
            "the duration of the soak is invalid",
            expected=f"--hours above 0 up to {_MAX_HOURS:g}",
            got=f"{parsed.hours:g}",
        )
    check_installed(("psutil", "matplotlib"), "bench")
    from miniseg_edge.benchmarks.hardware import this_machine
    from miniseg_edge.benchmarks.run.request import artifacts_of
    from miniseg_edge.benchmarks.soak.picture import png_from_soak, show_soak
    from miniseg_edge.benchmarks.soak.soak import SOAK_SCHEMA_VERSION, SoakReport, soak

    outputs = outputs_in(parsed.output, _FILES, overwrite=parsed.overwrite)
    bundle = open_bundle(parsed.bundle)
    configurations = artifacts_of(bundle, parsed.bundle, parsed.runtime, parsed.threads)
    if bundle.manifest.interface.channels != 1:
        raise UsageError(
            "a soak needs a bundle of grey slices",
            expected="a bundle that takes grey slices",
            got="one of different channels",
        )
    with terminal.counted(f"soaking {len(configurations)} artefacts, seconds", int(parsed.hours * 3600)) as progress:
        results = soak(configurations, parsed.hours, progress)
    report = SoakReport(
        schema_version=SOAK_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=this_machine(),
        hours=max((one.samples[-1].elapsed_s for one in results if one.samples), default=0.0) / 3600,
        results=tuple(results),
    )
    show_soak(report)
    terminal.answer(report)
    for path, content in zip(outputs, (json_from_record(report).encode(), png_from_soak(report)), strict=True):
        replace_file(path, content)
    terminal.say(f"{outputs[0]} and {outputs[1]}", "good" if report.sound else "bad")
    return report.sound


SOAK = Subcommand(
    "soak",
    "Mixed traffic, bad input and reloads for hours: every mask checked, what grows found.",
    _add_options,
    _work,
    examples=("miniseg-bench soak bundle --hours 0.5 --output soak",),
)
