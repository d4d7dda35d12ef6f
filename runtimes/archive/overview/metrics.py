"""A run's Prometheus metrics, as its driver sees it. Series are not named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.overview.tally import parts_of
from miniseg_edge.runtimes.archive.row import Row


class ArchiveMetrics:
    """Metrics of one run, in a separate registry. Thread-safety: all methods may be called at once."""

    def __init__(self) -> None:
        """Raises: MissingDependencyError."""
        self._prometheus: Any = require("prometheus_client", "scale")
        self._registry = self._prometheus.CollectorRegistry()
        kept = {"registry": self._registry}
        counter, gauge = self._prometheus.Counter, self._prometheus.Gauge
        self._series = counter("miniseg_archive_series", "Series, by status and our code", ("status", "code"), **kept)
        self._slices = counter("miniseg_archive_slices", "Slices segmented", **kept)
        self._seconds = counter("miniseg_archive_worker_seconds", "Time of workers, by part", ("part",), **kept)
        self._done = gauge("miniseg_archive_done", "Files, parts or series done, by phase", ("phase",), **kept)
        self._total = gauge("miniseg_archive_total", "Of how many, by phase", ("phase",), **kept)
        self._prometheus.ProcessCollector(registry=self._registry)

    def seen(self, row: Row) -> None:
        """Counts a row."""
        self._series.labels(row.status, row.error_code or "").inc()
        self._slices.inc(row.slices)
        for part, seconds in parts_of(row).items():
            self._seconds.labels(part).inc(seconds)

    def reached(self, phase: str, done: int, of: int) -> None:
        """Takes progress."""
        self._done.labels(phase).set(done)
        self._total.labels(phase).set(of)

    @contextmanager
    def served(self, port: int) -> Iterator[int]:
        """Answers GET on loopback while inside; yields the port, a free one for 0. Raises: UsageError."""
        try:
            server, _ = self._prometheus.start_http_server(port, "127.0.0.1", self._registry)
        except (OSError, OverflowError) as error:
            raise UsageError(
                "the port for metrics is unavailable", expected="0..65535, 0 for a free one", got=str(port)
            ) from error
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
