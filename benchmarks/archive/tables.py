"""Prints an archive's measurement: speeds, parts, and the extrapolation to more workers."""

from miniseg_edge.benchmarks.archive.measure import ArchiveMeasurement
from miniseg_edge.benchmarks.archive.parts import Parts
from miniseg_edge.benchmarks.archive.scaling import SLICES, scaled
from miniseg_edge.console import terminal
from miniseg_edge.runtimes.archive.engines.engine import RAY


def show_measurement(found: ArchiveMeasurement) -> None:
    """Three tables."""
    terminal.table(
        f"{found.series} series of {found.parts.slices} slices, {found.rounds} rounds, {found.machine.name}",
        ("executor", "workers", "slices/s", "efficiency", "start s", "outside, ms a series"),
        [
            (
                pace.executor, f"{pace.workers}", f"{pace.slices_per_s:.1f}", f"{pace.efficiency:.2f}",
                f"{pace.start_s:.1f}", f"{pace.outside_s * 1e3:.0f}",
            )
            for pace in found.paces
        ],
    )  # fmt: skip
    terminal.table("Parts, one worker", ("", ""), _parts(found.parts))
    outside_s = next(pace.outside_s for pace in found.paces if (pace.executor, pace.workers) == (RAY, 1))
    terminal.table(
        f"{SLICES:,} slices on Ray, from these parts (shares above 100 % cannot be)",
        ("workers", "slices/s", "hours", "finding", "10 Gbit/s", "at once", "driver", "nearest limit"),
        [
            (
                f"{one.workers:,}", f"{one.slices_per_s:,.0f}", f"{one.hours:.2f}", f"{one.find_share:.1%}",
                f"{one.read_share:.1%}", f"{one.at_once}", f"{one.driver_share:.1%}", one.first,
            )
            for one in scaled(found.parts, max(0.0, outside_s))
        ],
    )  # fmt: skip


def _parts(parts: Parts) -> list[tuple[str, str]]:
    def ms(seconds: float) -> str:
        return f"{seconds * 1e3:.3g} ms"

    return [
        ("a series, in all", ms(parts.series_s)),
        ("  fetching", ms(parts.fetch_s)),
        ("  opening: headers", ms(parts.open_s)),
        ("  segmenting, reading within", ms(parts.segment_s)),
        ("    the engine alone", ms(parts.inference_s)),
        ("    reading and decoding alone", ms(parts.read_s)),
        ("  writing results", ms(parts.write_s)),
        ("read for a series", f"{parts.bytes / 1e6:.1f} MB"),
        ("written for a series", f"{parts.result_bytes / 1e3:.1f} kB in {parts.result_files} files"),
        ("finding, for a file, by one process", ms(parts.find_s)),
        ("the table, for a row each time its part is written", ms(parts.table_s)),
        ("driver: a series, processes", ms(parts.driver.processes_s)),
        ("driver: a series, Ray", ms(parts.driver.series_s)),
        ("driver: a message to a worker, Ray", ms(parts.driver.message_s)),
        ("Ray's servers: a message", ms(parts.driver.servers_s)),
    ]
