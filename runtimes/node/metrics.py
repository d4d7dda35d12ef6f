"""A node's Prometheus metrics: counts, times and load. No patient data; series are not named."""

from collections.abc import Callable
from typing import Any

from miniseg_edge.host.dependencies import require

_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 600.0, 3600.0)


class NodeMetrics:
    """Metrics of one node, in a separate registry. Thread-safety: all methods may be called at once."""

    def __init__(self, provenance: dict[str, str]) -> None:
        """Raises: MissingDependencyError."""
        prometheus: Any = require("prometheus_client", "node")
        self.registry: Any = prometheus.CollectorRegistry()
        kept = {"registry": self.registry}
        counter, histogram = prometheus.Counter, prometheus.Histogram
        self._objects = counter(
            "miniseg_node_objects", "Objects that came, by the status they got", ("status",), **kept
        )
        self._rejected = counter(
            "miniseg_node_rejected", "Associations refused or ended, by reason", ("reason",), **kept
        )
        self._series = counter(
            "miniseg_node_series", "Series that ended, by how and by our code", ("status", "code"), **kept
        )
        self._slices = counter("miniseg_node_slices", "Slices segmented", **kept)
        self._sent = counter("miniseg_node_sent", "Objects sent, by archive and our code", ("archive", "code"), **kept)
        self._drawing = histogram(
            "miniseg_node_drawing_seconds", "From a complete series to its results on disk", buckets=_SECONDS, **kept
        )
        self._answer = histogram(
            "miniseg_node_answer_seconds", "From a series' last image to its results in every archive",
            buckets=_SECONDS, **kept,
        )  # fmt: skip
        prometheus.Info("miniseg_model", "What runs", **kept).info(provenance)
        prometheus.ProcessCollector(registry=self.registry)
        self._gauge, self._serve = prometheus.Gauge, prometheus.start_http_server

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A gauge that is computed when it is read."""
        self._gauge(f"miniseg_node_{name}", what, registry=self.registry).set_function(read)

    def watch_stages(self, stages: Callable[[], dict[str, int]], names: tuple[str, ...]) -> None:
        """A gauge of series per stage."""
        gauge = self._gauge(
            "miniseg_node_series_now", "Series in the spool, by stage", ("stage",), registry=self.registry
        )
        for name in names:
            gauge.labels(name).set_function(lambda name=name: stages().get(name, 0))

    def came(self, status: int) -> None:
        """Counts a received object and its status."""
        self._objects.labels(f"{status:04X}").inc()

    def rejected(self, reason: str) -> None:
        """Counts an association that we refused or ended."""
        self._rejected.labels(reason).inc()

    def drew(self, slices: int, seconds: float) -> None:
        """A series was segmented."""
        self._slices.inc(slices)
        self._drawing.observe(seconds)

    def sent(self, archive: str, code: str, count: int) -> None:
        """Counts objects that were sent, or (with a code) were not."""
        self._sent.labels(archive, code).inc(count)

    def ended(self, status: str, code: str, seconds: float | None) -> None:
        """A series ended."""
        self._series.labels(status, code).inc()
        if seconds is not None:
            self._answer.observe(seconds)

    def serve(self, port: int) -> tuple[Any, int]:
        """Answers GET on loopback; returns the server and its port. Raises: OSError."""
        server, _ = self._serve(port, "127.0.0.1", self.registry)
        return server, server.server_port
