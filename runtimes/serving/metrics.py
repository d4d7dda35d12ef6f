"""Prometheus metrics: counts and times of requests, load, memory. No content of requests."""

from collections.abc import Sized
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.serving.gate import Gate
from miniseg_edge.runtimes.serving.protocol.model import ServedModel

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Metrics of one service, in a separate registry.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, gate: Gate, model: ServedModel) -> None:
        """Observes a gate. Raises: MissingDependencyError."""
        prometheus: Any = require("prometheus_client", "serve")
        self._registry = prometheus.CollectorRegistry()
        kept = {"registry": self._registry}
        self._requests = prometheus.Counter(
            "miniseg_requests", "Requests for masks, by HTTP status and our code", ("status", "code"), **kept
        )
        self._slices = prometheus.Counter("miniseg_slices", "Slices segmented", **kept)
        self._seconds = prometheus.Histogram(
            "miniseg_request_seconds", "From a request's headers to its masks", buckets=_BUCKETS_S, **kept
        )
        prometheus.Gauge("miniseg_requests_inside", "Requests inside", **kept).set_function(lambda: gate.inside)
        prometheus.Gauge("miniseg_requests_inside_max", "More get 503", **kept).set(gate.capacity)
        prometheus.Gauge("miniseg_ready", "1 while new requests are taken", **kept).set_function(
            lambda: int(not gate.stopping)
        )
        prometheus.Info("miniseg_model", "What runs", **kept).info(model.provenance)
        prometheus.ProcessCollector(registry=self._registry)
        self._gauge, self._generate = prometheus.Gauge, prometheus.generate_latest

    def watch(self, connections: Sized) -> None:
        """Counts open connections too."""
        gauge = self._gauge("miniseg_connections", "Connections that are open", registry=self._registry)
        gauge.set_function(lambda: len(connections))

    def done(self, status: int, code: str, slices: int, seconds: float) -> None:
        """Counts an answered request; its time only if it got masks."""
        self._requests.labels(str(status), code).inc()
        if slices:
            self._slices.inc(slices)
            self._seconds.observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return bytes(self._generate(self._registry))
