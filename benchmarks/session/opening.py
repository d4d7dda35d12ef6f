"""Opens a configuration in this process."""

from pathlib import Path

from miniseg_edge.benchmarks.peers.table import PEERS
from miniseg_edge.benchmarks.subjects.artifact import ArtifactSubject
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.benchmarks.subjects.planted import Slowed
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.runtimes.backends.registry import AUTO, entry_named
from miniseg_edge.runtimes.segmenter.loading import load


def opened(configuration: Configuration, bundle: Path, streams: int = 1) -> Subject:
    """The subject of a configuration.

    Args:
        configuration: what to open.
        bundle: whose preprocessing the peers use.
        streams: concurrent slices; our runtimes divide their threads among them.

    Raises:
        Whatever the runtime raises.
    """
    subject = _plain(configuration, bundle, streams)
    if configuration.delay_ms or configuration.leak_kb:
        return Slowed(subject, configuration.delay_ms, configuration.leak_kb)
    return subject


def _plain(configuration: Configuration, bundle: Path, streams: int) -> Subject:
    if configuration.peer:
        return PEERS[configuration.peer].open(configuration, open_bundle(bundle), streams)
    runtime, precision, threads = configuration.runtime, configuration.precision, configuration.threads
    if streams > 1:  # as in the API for volumes
        streams = entry_named(runtime).load().streams_for_many(streams)
    return ArtifactSubject(
        load(Path(configuration.source), runtime, AUTO, threads, streams=streams, precision=precision)
    )
