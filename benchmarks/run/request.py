"""The request for a benchmark, and the artefacts that it selects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.benchmarks.session.plan import Schedule
from miniseg_edge.benchmarks.subjects.configuration import Configuration, configuration_of
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import RuntimeUnavailableError
from miniseg_edge.runtimes.backends.registry import entry_named, registry


@dataclass(frozen=True)
class BenchmarkRequest:
    """What is asked for.

    Attributes:
        bundle: path.
        runtimes: names, or empty for every one that can serve the bundle here.
        schedule: how long and how often each configuration is measured.
        peers: whether to measure them too.
        slices, labels: image and label folders, or None for phantoms.
        calibration: folder of slices for the INT8 peers, or None for those that are measured.
        threads: of each runtime, or None for its default.
        vendor_rounds: minimum turns with the vendor's program; a small difference needs many pairs of processes.
    """

    bundle: Path
    runtimes: tuple[str, ...] = ()
    schedule: Schedule = Schedule()  # noqa: RUF009  frozen
    peers: bool = False
    slices: Path | None = None
    labels: Path | None = None
    calibration: Path | None = None
    threads: int | None = None
    vendor_rounds: int = 10


def artifacts_of(bundle: Bundle, path: Path, runtimes: Sequence[str], threads: int | None) -> list[Configuration]:
    """A configuration for each artefact of each requested or available runtime; the reference only if requested.

    Args:
        bundle: opened.
        path: of the same.
        runtimes: names, or empty for every one that can serve the bundle here.
        threads: of each runtime, or None for its default.

    Raises:
        UsageError: the runtime is unknown.
        RuntimeUnavailableError: one that was requested, or all, cannot serve the bundle here.
    """
    wanted = [entry_named(name) for name in runtimes] or [entry for entry in registry() if not entry.reference]
    configurations, obstacles = [], []
    for entry in wanted:
        if (obstacle := entry.obstacle(bundle)) is not None:
            obstacles.append(f"{entry.name}: {obstacle}")
            continue
        artifacts = [artifact for artifact in bundle.manifest.artifacts if artifact.target == entry.target]
        configurations += [configuration_of(path, entry.name, artifact, threads) for artifact in artifacts]
    if not configurations or (runtimes and obstacles):
        raise RuntimeUnavailableError(
            "some of the requested runtimes cannot serve this bundle here", because="; ".join(obstacles)
        )
    return configurations
