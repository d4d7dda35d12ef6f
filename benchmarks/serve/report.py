"""The result of a load test: phases, memory, and whether all was well."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.benchmarks.serve.client import LOST, Sample
from miniseg_edge.benchmarks.soak.soak import WATCHED
from miniseg_edge.benchmarks.statistics import Distribution, Growth, distribution, growth

SERVE_SCHEMA_VERSION = 1

_DONE, _BUSY, _LATE = 200, 503, 504


@dataclass(frozen=True)
class MemorySample:
    """The service's resident memory in MB (1e6), by seconds since it accepted connections."""

    elapsed_s: float
    mb: float


@dataclass(frozen=True)
class Phase:
    """A load and its result.

    Attributes:
        name: for people.
        share: of the capacity; 0 if clients wait for their answers.
        offered_per_s, answered_per_s: due requests, and received masks, per second.
        requests, masks, busy, late, lost, other: number of requests, and of those that got a mask, 503, 504, no answer,
            anything else.
        wrong: masks that were not the slice's own, bit for bit.
        latency: of masks, from when they were due; None without any.
        busy_latency: of 503s, in the same way.
        began_s: seconds since the service accepted connections.
        samples: all requests.
    """

    name: str
    share: float
    offered_per_s: float
    answered_per_s: float
    requests: int
    masks: int
    busy: int
    late: int
    lost: int
    other: int
    wrong: int
    latency: Distribution | None
    busy_latency: Distribution | None
    began_s: float
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class ServeReport:
    """The file `serve.json`, schema 1.

    Attributes:
        capacity_per_s: masks per second while 8 clients wait for their answers.
        streams, queue: of the service.
        memory: over the whole time; its slope is of the second half of the load at twice the capacity.
        memory_first_mb, memory_last_mb: medians of the first and the last fifth of those.
    """

    schema_version: int
    created: str
    bundle: str
    bundle_digest: str
    runs: str
    machine: Machine
    clients: int
    streams: int
    queue: int
    capacity_per_s: float
    phases: tuple[Phase, ...]
    memory_first_mb: float
    memory_last_mb: float
    memory_slope: Growth
    memory: tuple[MemorySample, ...]

    @property
    def memory_grows(self) -> bool:
        """Whether its slope's 95 % interval is above 0 and it rose by more than a soak allows."""
        allowed = max(WATCHED[0].allowed, WATCHED[0].allowed_share * self.memory_last_mb)
        return self.memory_slope.grows and self.memory_last_mb - self.memory_first_mb > allowed

    @property
    def sound(self) -> bool:
        """Whether each request got its own mask or a 503, and memory did not grow."""
        return not self.memory_grows and not any(one.wrong or one.lost or one.other or one.late for one in self.phases)


def phase_of(name: str, share: float, samples: Sequence[Sample], seconds: float, began_s: float) -> Phase:
    """Counts what came."""
    statuses = [sample.status for sample in samples]
    masks, busy, late, lost = (statuses.count(one) for one in (_DONE, _BUSY, _LATE, LOST))
    return Phase(
        name=name,
        share=share,
        offered_per_s=len(samples) / seconds,
        answered_per_s=masks / seconds,
        requests=len(samples),
        masks=masks,
        busy=busy,
        late=late,
        lost=lost,
        other=len(samples) - masks - busy - late - lost,
        wrong=sum(sample.right is False for sample in samples),
        latency=_latency(samples, _DONE),
        busy_latency=_latency(samples, _BUSY),
        began_s=began_s,
        samples=tuple(samples),
    )


def memory_trend(memory: Sequence[MemorySample], since_s: float) -> tuple[float, float, Growth]:
    """Medians of the first and last fifth in MB since then, and the slope per minute."""
    points = np.array([(one.elapsed_s, one.mb) for one in memory if one.elapsed_s >= since_s]).reshape(-1, 2)
    if not len(points):
        return 0.0, 0.0, growth([])
    fifth = max(1, len(points) // 5)
    return float(np.median(points[:fifth, 1])), float(np.median(points[-fifth:, 1])), growth([points])


def _latency(samples: Sequence[Sample], status: int) -> Distribution | None:
    found = np.array([sample.latency_ms for sample in samples if sample.status == status], np.float64)
    return distribution(found) if len(found) else None
