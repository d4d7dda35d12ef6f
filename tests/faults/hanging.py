"""`python -m tests.faults.hanging SCENARIO BUNDLE`: a process whose engine hangs, in `infer` or as it is opened.

A driver that hangs does so without an end, and cannot be had in a test: the runtime's own call waits here in its place.
"""

import itertools
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import ClosedError, DeadlineError
from miniseg_edge.runtimes.backends.onnxruntime import OnnxRuntime
from miniseg_edge.runtimes.serving.command import main as serve
from miniseg_edge.runtimes.verification.command import main as verify
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

begun = threading.Event()
SLICE = np.zeros((32, 32), np.uint8)


def hang(*_: Any) -> Any:
    """Never ends."""
    begun.set()
    threading.Event().wait()


def hang_on_white(mark: str) -> None:
    """From now on an engine hangs on a slice that is white all over, and the file `mark` says that one does."""
    infer = OnnxRuntime._infer

    def infer_or_hang(runtime: OnnxRuntime, values: FloatArray) -> FloatArray | ByteArray:
        if values.min() == 255:
            Path(mark).touch()
            hang()
        return infer(runtime, values)

    setattr(OnnxRuntime, "_infer", infer_or_hang)  # noqa: B010


def jobs(bundle: str) -> int:
    """A job is begun, the Segmenter closed, the process ended."""
    segmenter = miniseg_edge.load(bundle, "onnxruntime", streams=1)
    segmenter.submit(SLICE)
    begun.wait()
    segmenter.close()
    return 0


def stream(bundle: str) -> int:
    """A stream is given up that has slices in the engine."""
    segmenter = miniseg_edge.load(bundle, "onnxruntime", streams=2)
    results = segmenter.stream([SLICE] * 4)
    threading.Thread(target=lambda: next(results), daemon=True).start()
    begun.wait()
    segmenter.close()
    return 0


def second_engine(bundle: str) -> int:
    """The Segmenter is closed while another thread opens its second engine."""
    segmenter = miniseg_edge.load(bundle, "onnxruntime", threads=2)
    segmenter._volume_streams = 2  # whatever the cores of this machine
    setattr(OnnxRuntime, "_open", hang)  # noqa: B010
    threading.Thread(target=lambda: list(segmenter.segment_many([SLICE])), daemon=True).start()
    begun.wait()
    segmenter.close()
    try:
        segmenter.segment(SLICE)
    except ClosedError:
        return 0
    return 1


def load(bundle: str) -> int:
    """The only engine hangs as it is opened."""
    hang_in_opening(0)
    try:
        miniseg_edge.load(bundle, "onnxruntime", deadline_s=0.5)
    except DeadlineError:
        return 0
    return 1


def fallback(bundle: str) -> int:
    """Of two engines that were declared, the first hangs as it is opened."""
    hang_in_opening(0)
    segmenter = miniseg_edge.load(bundle, ["onnxruntime", "onnxruntime"], deadline_s=10)
    return int("DEADLINE" not in segmenter.segment(SLICE).passed_over[0])


def late_engine(bundle: str) -> int:
    """The second engine hangs as it is opened, and the first continues."""
    hang_in_opening(1)
    segmenter = miniseg_edge.load(bundle, "onnxruntime", threads=2, deadline_s=10)
    segmenter._volume_streams = 2  # whatever the cores of this machine
    try:
        list(segmenter.segment_many([SLICE]))
    except DeadlineError:
        segmenter.segment(SLICE)
        return 0
    return 1


def hang_in_opening(which: int) -> None:
    """Of the engines that are opened from now on, one hangs: 0 is the next."""
    really, opened = OnnxRuntime._open, itertools.count()

    def open_or_hang(runtime: OnnxRuntime, bundle: Bundle, files: list[bytes]) -> None:
        if next(opened) == which:
            hang()
        really(runtime, bundle, files)

    setattr(OnnxRuntime, "_open", open_or_hang)  # noqa: B010


OPENING = {scenario.__name__: scenario for scenario in (second_engine, load, fallback, late_engine)}


def main() -> int:
    """Entry point."""
    scenario, bundle = sys.argv[1:]
    if scenario in OPENING:
        return OPENING[scenario](bundle)
    if scenario.endswith("open"):
        setattr(OnnxRuntime, "_open", hang)  # noqa: B010
    else:
        setattr(OnnxRuntime, "_infer", hang)  # noqa: B010
    if scenario.startswith("verify"):
        return verify([bundle, "--deadline", "0.5"])
    if scenario.startswith("serve"):
        return serve([bundle, "--port", "0", "--runtime", "onnxruntime", "--start-deadline", "0.5"])
    return {"jobs": jobs, "stream": stream}[scenario](bundle)


if __name__ == "__main__":
    sys.exit(main())
