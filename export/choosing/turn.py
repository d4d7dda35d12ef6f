"""The process that times one candidate's inference for `turns`."""

import time

import numpy as np

import miniseg_edge
from miniseg_edge.measuring.child import serve
from miniseg_edge.measuring.timing import latencies_ms


class Worker:
    """The commands of the process."""

    def open(self, bundle: str, runtime: str, slower: float) -> None:
        """Opens a bundle's artefact on the CPU. `slower` is planted by a self-check: a fraction of the time to add."""
        self._slower = slower
        self._segmenter = miniseg_edge.load(bundle, runtime, "cpu")
        manifest = self._segmenter.bundle.manifest
        shape = (1, manifest.interface.channels, *manifest.preprocessing.size)
        self._grey = np.random.default_rng(0).random(shape, np.float32) * 255

    def turn(self, seconds: float) -> dict[str, float]:
        """Runs inference for `seconds` after as long a warm-up; returns median latency and processor time, in ms."""
        latencies_ms(self._infer, seconds)
        before = time.process_time()
        taken = latencies_ms(self._infer, seconds)
        processor_ms = (time.process_time() - before) * 1e3 / len(taken)
        return {"p50_ms": round(float(np.median(taken)), 4), "processor_ms": round(processor_ms, 4)}

    def _infer(self) -> None:
        start = time.perf_counter()
        self._segmenter.runtime.infer(self._grey)
        until = time.perf_counter() + self._slower * (time.perf_counter() - start)
        while time.perf_counter() < until:
            pass


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
