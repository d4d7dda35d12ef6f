"""Assembles the parts of one service."""

from dataclasses import dataclass

from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.serving.gate import Gate
from miniseg_edge.runtimes.serving.limits import Limits
from miniseg_edge.runtimes.serving.metrics import Metrics
from miniseg_edge.runtimes.serving.protocol.model import ServedModel, served_model
from miniseg_edge.runtimes.serving.workers import Workers


@dataclass(frozen=True)
class Service:
    """A model, its gate, its workers, and its metrics."""

    model: ServedModel
    limits: Limits
    gate: Gate
    workers: Workers
    metrics: Metrics


def service_of(segmenter: Segmenter, streams: int, limits: Limits, name: str | None = None) -> Service:
    """A service for an opened bundle, which stays the caller's. Raises: MissingDependencyError."""
    model = served_model(segmenter, name)
    gate = Gate(streams + limits.queue)
    return Service(model, limits, gate, Workers(segmenter, model, streams), Metrics(gate, model))
