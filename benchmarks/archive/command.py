"""`miniseg-bench archive`: measure, show, extrapolate, write."""

import argparse
from datetime import datetime, timezone

from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.benchmarks.session.plan import MAX_ROUNDS
from miniseg_edge.benchmarks.subcommand import Subcommand, add_bundle, add_output
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file

FILE = "archive.json"


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_bundle(parser)
    add_output(parser, FILE)
    for option, default, text in (("--series", 8, "in the archive"), ("--slices", 60, "in each series")):
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{text} (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each executor (%(default)s)")


def _work(parsed: argparse.Namespace) -> None:
    """Raises: UsageError, MissingDependencyError, OutputExistsError, before any work; and others."""
    if parsed.series < 2 or parsed.slices < 2 or not 1 <= parsed.rounds <= MAX_ROUNDS:
        wanted = f"2 series and slices or more, and 1 to {MAX_ROUNDS} rounds"
        raise UsageError(
            "the archive is invalid", expected=wanted, got=f"{parsed.series}, {parsed.slices} and {parsed.rounds}"
        )
    check_installed(("ray", "pyarrow", "fsspec"), "scale")
    check_installed(("psutil",), "bench")
    from miniseg_edge.benchmarks.archive.measure import ARCHIVE_SCHEMA_VERSION, ArchiveMeasurement, measure_archive
    from miniseg_edge.benchmarks.archive.tables import show_measurement
    from miniseg_edge.benchmarks.hardware import this_machine

    (output,) = outputs_in(parsed.output, (FILE,), overwrite=parsed.overwrite)
    bundle = open_bundle(parsed.bundle)
    rounds = parsed.rounds
    with terminal.counted("measuring an archive", 4 * rounds + 2) as progress:
        paces, parts = measure_archive(
            parsed.bundle,
            bundle,
            series=parsed.series,
            slices=parsed.slices,
            rounds=rounds,
            progress=progress,
        )
    found = ArchiveMeasurement(
        schema_version=ARCHIVE_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=this_machine(),
        series=parsed.series,
        rounds=rounds,
        paces=paces,
        parts=parts,
    )
    show_measurement(found)
    terminal.answer(found)
    replace_file(output, json_from_record(found).encode())
    terminal.say(f"{output}", "good")


ARCHIVE = Subcommand(
    "archive",
    "Series of phantoms through 1 and 2 workers, as processes and on Ray.",
    _add_options,
    _work,
    examples=("miniseg-bench archive bundle --output archive --series 8",),
)
