"""Planted faults of known size, which the instrument must show exactly."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.slices.preprocessing import ByteArray


class Slowed(Subject):
    """A subject with a delay and a leak."""

    def __init__(self, subject: Subject, delay_ms: float, leak_kb: int) -> None:
        self.subject = subject
        self.delay_s = delay_ms / 1e3
        self.leak_kb = leak_kb
        self.leaked: list[bytearray] = []

    def prepare(self, slice_: ByteArray) -> Any:
        """As `Subject.prepare`."""
        return self.subject.prepare(slice_)

    def infer(self, prepared: Any) -> Any:
        """As `Subject.infer`."""
        output = self.subject.infer(prepared)
        if self.delay_s:
            end = time.perf_counter() + self.delay_s
            while time.perf_counter() < end:  # a sleep would take longer than requested
                pass
        if self.leak_kb:
            self.leaked.append(bytearray(b"x" * (1024 * self.leak_kb)))
        return output

    def finish(self, prepared: Any, output: Any) -> ByteArray:
        """As `Subject.finish`."""
        return self.subject.finish(prepared, output)

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """See `Subject.segment_many`."""
        return map(self.segment, slices)
