"""What `miniseg-bench BUNDLE --soak HOURS` does: soak, show, write, and say whether all was well."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from miniseg_edge import terminal
from miniseg_edge.benchmarks.configuration import Configuration
from miniseg_edge.benchmarks.machine import this_machine
from miniseg_edge.benchmarks.run import BenchmarkRequest, artifacts_of
from miniseg_edge.benchmarks.soak import SOAK_SCHEMA_VERSION, SoakReport, soak
from miniseg_edge.benchmarks.soak_report import png_from_soak, show_soak
from miniseg_edge.bundle import open_bundle
from miniseg_edge.errors import UsageError
from miniseg_edge.files import replace_file
from miniseg_edge.records import json_from_record

FILES = ("soak.json", "soak.png")


def soak_bundle(
    bundle_path: Path, hours: float, configurations: Sequence[Configuration], outputs: Sequence[Path]
) -> SoakReport:
    """Soaks, shows what came of it, and writes the record and the picture. Raises: InferenceError, OutputError."""
    bundle = open_bundle(bundle_path)
    if bundle.manifest.interface.channels != 1:
        raise UsageError("a soak draws grey phantoms", "a bundle that takes grey slices", "one of different channels")
    with terminal.counted(f"soaking {len(configurations)} artefacts, seconds", int(hours * 3600)) as progress:
        results = soak(configurations, bundle_path, hours, progress)
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
    for path, content in zip(outputs, (json_from_record(report).encode(), png_from_soak(report)), strict=True):
        replace_file(path, content)
    terminal.say(f"{outputs[0]} and {outputs[1]}", "good" if report.sound else "bad")
    return report


def configurations_of(bundle_path: Path, runtimes: Sequence[str], threads: int | None) -> list[Configuration]:
    """The bundle's artefacts that this machine runs. Raises: RuntimeUnavailableError."""
    request = BenchmarkRequest(bundle=bundle_path, runtimes=tuple(runtimes), threads=threads)
    return artifacts_of(request, open_bundle(bundle_path))
