"""A service, 8 clients, four loads, every mask checked."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import psutil

from miniseg_edge.benchmarks.hardware import this_machine
from miniseg_edge.benchmarks.serve.client import Sample
from miniseg_edge.benchmarks.serve.load import Shares, closed_loop, open_loop
from miniseg_edge.benchmarks.serve.process import Served, served
from miniseg_edge.benchmarks.serve.report import (
    SERVE_SCHEMA_VERSION,
    MemorySample,
    Phase,
    ServeReport,
    memory_trend,
    phase_of,
)
from miniseg_edge.benchmarks.traffic import known_slices
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.serving.limits import Limits

CLIENTS, SLICES = 8, 2
LOADS = (("half the capacity", 0.5), ("the capacity", 1.0), ("twice the capacity", 2.0))

_WARM_UP_S = 2.0
_MEMORY_EVERY_S = 0.2


def load_test(bundle_path: Path, seconds: float, runtime: str, threads: int | None) -> ServeReport:
    """Loads a service of the bundle, `seconds` with each load. Raises: UsageError, InferenceError."""
    bundle, streams, queue = open_bundle(bundle_path), usable_cores(), Limits().queue
    if bundle.manifest.interface.channels != 1:
        raise UsageError(
            "a load test needs a bundle of grey slices",
            expected="a bundle of grey slices",
            got="one of different channels",
        )
    with terminal.step("drawing each client's slices"), load(bundle, runtime, threads=threads, streams=1) as segmenter:
        known = known_slices(segmenter, [bundle.manifest.preprocessing.size], CLIENTS * SLICES)
        runs = str(segmenter)
    shares = [known[first::CLIENTS] for first in range(CLIENTS)]
    words = ["--runtime", runtime, "--streams", str(streams), "--queue", str(queue)]
    words += [] if threads is None else ["--threads", str(threads)]
    total = int(seconds * (1 + len(LOADS)))
    with (
        served(bundle_path, words) as service,
        _memory_of(service) as memory,
        terminal.counted("asking, seconds", total) as progress,
        _ticking(progress, total),
    ):
        capacity, phases = _phases(service, shares, seconds)
    # Filling every place for the first time takes memory; only the growth after that matters.
    first, last, slope = memory_trend(memory, phases[-1].began_s + seconds / 2)
    return ServeReport(
        schema_version=SERVE_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        runs=runs,
        machine=this_machine(),
        clients=CLIENTS,
        streams=streams,
        queue=queue,
        capacity_per_s=capacity,
        phases=tuple(phases),
        memory_first_mb=first,
        memory_last_mb=last,
        memory_slope=slope,
        memory=tuple(memory),
    )


def _phases(service: Served, shares: Shares, seconds: float) -> tuple[float, list[Phase]]:
    """The capacity in masks per second, and all phases."""
    start = time.perf_counter()

    def phase(name: str, share: float, load: Callable[[], list[Sample]]) -> Phase:
        began = time.perf_counter()
        return phase_of(name, share, load(), seconds, began - start)

    closed_loop(service, shares, min(_WARM_UP_S, seconds))
    phases = [phase("8 clients that wait", 0.0, lambda: closed_loop(service, shares, seconds))]
    capacity = phases[0].answered_per_s
    if not capacity:
        raise UsageError("no mask was returned in time", expected="more seconds", got=f"{seconds:g}")
    for seed, (name, share) in enumerate(LOADS):
        rate = share * capacity
        phases.append(phase(name, share, lambda: open_loop(service, shares, rate, seconds, seed)))  # noqa: B023  at once
    return capacity, phases


@contextmanager
def _memory_of(service: Served) -> Iterator[list[MemorySample]]:
    """A list that gains a sample periodically, until the block ends."""
    found: list[MemorySample] = []
    process, start = psutil.Process(service.pid), time.perf_counter()

    def look() -> None:
        found.append(MemorySample(time.perf_counter() - start, process.memory_info().rss / 1e6))

    with repeated(look, _MEMORY_EVERY_S):
        yield found


@contextmanager
def _ticking(progress: Callable[[int, int], None], total: int) -> Iterator[None]:
    start = time.perf_counter()
    with repeated(lambda: progress(min(total, int(time.perf_counter() - start)), total), 1.0):
        yield


@contextmanager
def repeated(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """Calls it repeatedly, with pauses of `every_s` seconds, in a separate thread, until the block ends."""
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(every_s):
            work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
