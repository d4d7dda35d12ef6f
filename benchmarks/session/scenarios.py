"""The scenarios, run inside a worker: exactly what is timed.

Single-stream and offline are MLPerf Inference's: one query after another, each as soon as the last is done; all samples
at once. A burst is a CT volume that arrives at once.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.slices.preprocessing import ByteArray

MEMORY_EVERY_S = 0.25


@dataclass(frozen=True)
class SingleStream:
    """One turn: prepare, infer and finish of each slice in ms; CPU seconds; memory as (seconds, MB) pairs."""

    stages_ms: tuple[tuple[float, float, float], ...]
    cpu_s: float
    memory_mb: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Offline:
    """One turn: slices segmented, and the wall and CPU seconds it took."""

    slices: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Burst:
    """One volume: milliseconds from its arrival to the first mask and to the last."""

    slices: int
    first_ms: float
    last_ms: float


def single_stream(subject: Subject, slices: Sequence[ByteArray], seconds: float, min_samples: int) -> SingleStream:
    """Slices in rotation, for at least `seconds` and `min_samples`."""
    process = psutil.Process()
    stages: list[tuple[float, float, float]] = []
    memory: list[tuple[float, float]] = []
    cpu = _cpu_s(process)
    start = time.perf_counter()
    next_look = start
    for slice_ in itertools.cycle(slices):
        t0 = time.perf_counter()
        prepared = subject.prepare(slice_)
        t1 = time.perf_counter()
        output = subject.infer(prepared)
        t2 = time.perf_counter()
        subject.finish(prepared, output)
        t3 = time.perf_counter()
        stages.append(((t1 - t0) * 1e3, (t2 - t1) * 1e3, (t3 - t2) * 1e3))
        if t3 >= next_look:
            memory.append((t3 - start, process.memory_info().rss / 1e6))
            next_look = t3 + MEMORY_EVERY_S
        if t3 - start >= seconds and len(stages) >= min_samples:
            break
    return SingleStream(tuple(stages), _cpu_s(process) - cpu, tuple(memory))


def offline(subject: Subject, slices: Sequence[ByteArray], seconds: float) -> Offline:
    """All slices at once, repeated for at least `seconds`; in whole passes."""
    process = psutil.Process()
    cpu, start, count = _cpu_s(process), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += sum(1 for _ in subject.segment_many(slices))
    return Offline(count, time.perf_counter() - start, _cpu_s(process) - cpu)


def burst(subject: Subject, slices: Sequence[ByteArray], count: int) -> Burst:
    """`count` slices that arrive at once, as a CT volume does."""
    volume = list(itertools.islice(itertools.cycle(slices), count))
    start = time.perf_counter()
    masks = subject.segment_many(volume)
    next(iter(masks))
    first = time.perf_counter()
    for _ in masks:
        pass
    return Burst(count, (first - start) * 1e3, (time.perf_counter() - start) * 1e3)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
