"""A process that measures one configuration, controlled by its parent.

One worker runs at a time, so that idle threads of one configuration never disturb another.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from miniseg_edge.benchmarks.session.opening import opened
from miniseg_edge.benchmarks.session.scenarios import Burst, Offline, SingleStream, burst, offline, single_stream
from miniseg_edge.benchmarks.subjects.artifact import ArtifactSubject
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.measuring.child import serve
from miniseg_edge.measuring.timing import latencies_ms
from miniseg_edge.slices.images import slice_from_file
from miniseg_edge.slices.preprocessing import ByteArray

if TYPE_CHECKING:
    from miniseg_edge.benchmarks.session.study_burst import StudyBurst


@dataclass(frozen=True)
class Opening:
    """The time of opening the configuration in ms, including its packages' imports, and of the first slice."""

    load_ms: float
    first_inference_ms: float


class Worker:
    """The commands, one method each; their return values are the answers."""

    def __init__(self) -> None:
        self.subject: Subject | None = None
        self.slices: list[ByteArray] = []

    def open(self, configuration: dict[str, Any], bundle: str, slices: list[str], streams: int) -> Opening:
        """Reads the slices, opens the configuration and segments one slice."""
        channels = open_bundle(bundle).manifest.interface.channels
        self.slices = [slice_from_file(Path(path), channels) for path in slices]
        start = time.perf_counter()
        self.subject = opened(Configuration(**configuration), Path(bundle), streams)
        opened_at = time.perf_counter()
        self.subject.segment(self.slices[0])
        return Opening((opened_at - start) * 1e3, (time.perf_counter() - opened_at) * 1e3)

    def warm_up(self, seconds: float) -> int:
        """Segments for `seconds`; returns the number of slices."""
        return len(single_stream(self._subject, self.slices, seconds, 1).stages_ms)

    def single_stream(self, seconds: float, min_samples: int) -> SingleStream:
        """A turn of single-stream."""
        return single_stream(self._subject, self.slices, seconds, min_samples)

    def inference(self, seconds: float) -> list[float]:
        """The infer stage alone, repeated on one prepared slice, as in vendors' own loops: ms of each."""
        subject = self._subject
        prepared = subject.prepare(self.slices[0])
        return latencies_ms(lambda: subject.infer(prepared), seconds)

    def offline(self, seconds: float) -> Offline:
        """A turn of offline."""
        return offline(self._subject, self.slices, seconds)

    def burst(self, count: int) -> Burst:
        """One volume."""
        return burst(self._subject, self.slices, count)

    def study_burst(self, few: str, series: str, output: str) -> "StudyBurst":
        """A CT series from its folder to a DICOM SEG, after one of a few slices as warm-up."""
        from miniseg_edge.benchmarks.session.study_burst import study_burst  # memory that other turns do not need

        subject = self._subject
        assert isinstance(subject, ArtifactSubject), "peers read no studies"  # noqa: S101
        study_burst(subject.segmenter, Path(few), Path(output))
        return study_burst(subject.segmenter, Path(series), Path(output))

    def masks(self, path: str) -> None:
        """Saves the masks of all slices as an .npz, in their order."""
        np.savez_compressed(path, *[self._subject.segment(slice_) for slice_ in self.slices])

    def peak_memory(self) -> float:
        """Peak resident memory of this process so far, in MB."""
        return peak_memory_mb()

    @property
    def _subject(self) -> Subject:
        assert self.subject is not None, "open comes first"  # noqa: S101
        return self.subject


def peak_memory_mb() -> float:
    """Peak resident memory of this process, in MB (1e6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would start from the parent's peak, which survives the exec
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / 1e6  # macOS keeps no peak of the process alone


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
