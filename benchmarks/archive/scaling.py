"""Extrapolates to more workers from measured parts: each worker's own time divides, shared time does not."""

from collections.abc import Sequence
from dataclasses import dataclass

from miniseg_edge.benchmarks.archive.parts import Parts
from miniseg_edge.runtimes.archive.engines.on_ray import messages_at_once
from miniseg_edge.runtimes.archive.finding.records import CELLS

SLICES = 1_000_000
WORKERS = (1, 2, 10, 100, 1000, 10_000)
TEN_GIGABIT = 1.25e9
"""Bytes per second of one 10 Gbit/s line to the storage: the only figure here that is not measured."""


@dataclass(frozen=True)
class Scale:
    """A number of workers.

    Attributes:
        slices_per_s: if nothing that they share gives.
        hours: for a million slices, finding them not counted.
        find_share: of the time that finding takes before, shared out to the workers, at most `CELLS` of them.
        read_share: of one 10 Gbit/s line to the storage.
        at_once: series that a worker gets at a time.
        driver_share: of one core, by the driver that hands out series on Ray.
        servers_share: of one core, by Ray's servers beside the driver.
    """

    workers: int
    slices_per_s: float
    hours: float
    find_share: float
    read_share: float
    at_once: int
    driver_share: float
    servers_share: float

    @property
    def first(self) -> str:
        """The resource that is closest to its limit, or beyond it."""
        shares = {
            "finding": self.find_share,
            "the storage": self.read_share,
            "the driver": self.driver_share,
            "Ray's servers": self.servers_share,
        }
        name = max(shares, key=lambda one: shares[one])
        return f"{name}{' gives' if shares[name] > 1 else ''}"


def scaled(parts: Parts, outside_s: float, workers: Sequence[int] = WORKERS) -> list[Scale]:
    """The table by number of workers; `outside_s` is a worker's time between series, per series."""
    series = SLICES / parts.slices
    found = []
    for count in workers:
        series_per_s = count / (parts.series_s + outside_s)
        work_s = series / series_per_s
        at_once = messages_at_once(round(series / 2), count)  # in the middle of the run
        found.append(
            Scale(
                workers=count,
                slices_per_s=series_per_s * parts.slices,
                hours=work_s / 3600,
                find_share=SLICES * parts.find_s / min(count, CELLS) / work_s,
                read_share=series_per_s * parts.bytes / TEN_GIGABIT,
                at_once=at_once,
                driver_share=series_per_s * parts.driver.on_ray_s(at_once),
                servers_share=series_per_s * parts.driver.servers_s / at_once,
            )
        )
    return found
