"""A process that measures one configuration: `python -m miniseg_edge.benchmarks.worker`.

Commands come as JSON lines on standard input, answers go as JSON lines to what was standard output; whatever a vendor
prints goes to standard error instead. One worker runs at a time, so that idle threads of one configuration never
disturb another.
"""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from miniseg_edge.benchmarks.configuration import Configuration
from miniseg_edge.benchmarks.scenarios import burst, inference, offline, single_stream
from miniseg_edge.benchmarks.soak_turn import Soaked
from miniseg_edge.benchmarks.study_burst import study_burst
from miniseg_edge.benchmarks.subjects import ArtifactSubject, Subject, opened
from miniseg_edge.bundle import open_bundle
from miniseg_edge.errors import MiniSegError
from miniseg_edge.images import slice_from_file
from miniseg_edge.preprocessing import ByteArray


class Worker:
    """The commands, one method each; what they return is the answer."""

    def __init__(self) -> None:
        self.subject: Subject | None = None
        self._soaked: Soaked | None = None
        self.slices: list[ByteArray] = []

    def open(self, configuration: dict[str, Any], bundle: str, slices: list[str], streams: int) -> dict[str, Any]:
        """Reads the slices, opens the configuration and segments one slice: seconds to open, first inference in ms."""
        channels = open_bundle(bundle).manifest.interface.channels
        self.slices = [slice_from_file(Path(path), channels) for path in slices]
        self._configuration = Configuration(**configuration)
        start = time.perf_counter()
        self.subject = opened(self._configuration, Path(bundle), streams)
        opened_at = time.perf_counter()
        self.subject.segment(self.slices[0])
        return {"open_s": opened_at - start, "first_inference_ms": (time.perf_counter() - opened_at) * 1e3}

    def warm_up(self, seconds: float) -> dict[str, Any]:
        """Segments for `seconds`; how many slices that were."""
        return {"slices": len(single_stream(self._subject, self.slices, seconds, 1).stages_ms)}

    def single_stream(self, seconds: float, min_samples: int) -> dict[str, Any]:
        """A turn of single-stream."""
        return dataclasses.asdict(single_stream(self._subject, self.slices, seconds, min_samples))

    def inference(self, seconds: float) -> dict[str, Any]:
        """The infer stage alone, again and again on one prepared slice, as vendors' own loops do: ms of each."""
        prepared = self._subject.prepare(self.slices[0])
        return {"infer_ms": inference(self._subject, prepared, seconds)}

    def offline(self, seconds: float) -> dict[str, Any]:
        """A turn of offline."""
        return dataclasses.asdict(offline(self._subject, self.slices, seconds))

    def burst(self, count: int) -> dict[str, Any]:
        """One volume."""
        return dataclasses.asdict(burst(self._subject, self.slices, count))

    def study_burst(self, few: str, series: str, output: str) -> dict[str, Any]:
        """A CT series from its folder to a DICOM SEG, after one of a few slices as warm-up."""
        subject = self._subject
        assert isinstance(subject, ArtifactSubject), "peers read no studies"  # noqa: S101
        study_burst(subject.segmenter, Path(few), Path(output))
        return dataclasses.asdict(study_burst(subject.segmenter, Path(series), Path(output)))

    def soak(self, folder: str, seed: int) -> dict[str, Any]:
        """Opens the configuration for a soak, in the place of what is open; `folder` gets files that are bad input."""
        subject = self._subject
        assert isinstance(subject, ArtifactSubject), "peers are not soaked"  # noqa: S101
        subject.segmenter.close()
        self.subject, self._soaked = None, Soaked(self._configuration, Path(folder), seed)
        return {}

    def soak_turn(self, seconds: float) -> dict[str, Any]:
        """A turn of the soak."""
        assert self._soaked is not None, "soak comes first"  # noqa: S101
        return dataclasses.asdict(self._soaked.turn(seconds))

    def masks(self, path: str) -> dict[str, Any]:
        """Saves the masks of all slices as an .npz, in their order."""
        np.savez_compressed(path, *[self._subject.segment(slice_) for slice_ in self.slices])
        return {}

    def memory(self) -> dict[str, Any]:
        """Peak resident memory of this process so far, in MB."""
        return {"peak_mb": peak_memory_mb()}

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
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        work: Callable[..., dict[str, Any]] = getattr(worker, command.pop("command"))
        try:
            answer = {"answer": work(**command)}
        except MiniSegError as error:
            answer = {"error": str(error)}  # type: ignore[dict-item]
        except Exception as error:  # the parent reports it; this configuration is out
            answer = {"error": f"{type(error).__name__}: {error}"}  # type: ignore[dict-item]
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
