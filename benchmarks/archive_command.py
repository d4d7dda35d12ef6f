"""What `miniseg-bench BUNDLE --archive` does: measure, show, extrapolate, write."""

import argparse
from datetime import datetime, timezone

from miniseg_edge import terminal
from miniseg_edge.benchmarks.outputs import outputs_in
from miniseg_edge.bundle import open_bundle
from miniseg_edge.dependencies import check_installed
from miniseg_edge.errors import UsageError
from miniseg_edge.files import replace_file
from miniseg_edge.records import json_from_record

FILE = "archive.json"


def add_archive_options(parser: argparse.ArgumentParser) -> None:
    """The options of `--archive`."""
    group = parser.add_argument_group("measuring an archive")
    group.add_argument(
        "--archive",
        action="store_true",
        help="instead: series of phantoms through 1 and 2 workers, as processes and on Ray; gets archive.json",
    )
    group.add_argument("--archive-series", type=int, default=8, metavar="N", help="in the archive (%(default)s)")
    group.add_argument("--archive-slices", type=int, default=60, metavar="N", help="in each series (%(default)s)")


def archive_command(parsed: argparse.Namespace) -> None:
    """The whole command. Raises: UsageError, MissingDependencyError, OutputExistsError, before any work; and others."""
    if len(parsed.bundle) != 1 or parsed.output is None or parsed.archive_series < 2 or parsed.archive_slices < 2:
        raise UsageError("no such archive", "BUNDLE --output DIR, 2 series and slices or more", "")
    check_installed(("ray", "pyarrow", "fsspec"), "scale")
    check_installed(("psutil",), "bench")
    from miniseg_edge.benchmarks.archive import ARCHIVE_SCHEMA_VERSION, ArchiveMeasurement, measure_archive
    from miniseg_edge.benchmarks.archive_tables import show_measurement
    from miniseg_edge.benchmarks.machine import this_machine

    (output,) = outputs_in(parsed.output, (FILE,), overwrite=parsed.overwrite)
    bundle = open_bundle(parsed.bundle[0])
    rounds = min(parsed.rounds, 3)
    with terminal.counted("measuring an archive", 4 * rounds + 3) as progress:
        paces, parts = measure_archive(
            parsed.bundle[0],
            bundle,
            series=parsed.archive_series,
            slices=parsed.archive_slices,
            rounds=rounds,
            progress=progress,
        )
    found = ArchiveMeasurement(
        schema_version=ARCHIVE_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=this_machine(),
        series=parsed.archive_series,
        rounds=rounds,
        paces=paces,
        parts=parts,
    )
    show_measurement(found)
    replace_file(output, json_from_record(found).encode())
    terminal.say(f"{output}", "good")
