"""The inside of a soaked process: turns of traffic, bad input and reloads, each followed by a pause for inspection."""

import gc
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniseg_edge.benchmarks.soak.bad_input import complaint, faults_in
from miniseg_edge.benchmarks.soak.leaks import LEAKS, wait_longer
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.benchmarks.traffic import WAYS, Tally, from_threads, known_slices
from miniseg_edge.errors import ClosedError
from miniseg_edge.measuring.child import serve
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.tensors import MASK

PHANTOMS = 6
MAX_THREADS, MAX_SHARE = 8, 6
RELOAD_EVERY = 4
PROBES = 20


@dataclass(frozen=True)
class Turn:
    """What happened in a turn.

    Attributes:
        masks, wrong: received masks, and those among them that were wrong.
        faults: bad inputs offered.
        complaints: bad inputs that did not get their error, and errors that good ones got, as text.
        reloads: of the bundle.
        latency_ms: fastest of the turn's last slices, one by one; other processes can only add to that.
        cpu_ms: mean processor time of each of them; other processes affect it less.
    """

    masks: int
    wrong: int
    faults: int
    complaints: tuple[str, ...]
    reloads: int
    latency_ms: float
    cpu_ms: float


class Soaked:
    """A bundle's artefact under a soak. Not thread-safe: one turn at a time."""

    def __init__(self, configuration: Configuration, folder: Path, seed: int) -> None:
        """Opens the bundle and creates the slices; `folder` gets files that are bad input."""
        self._configuration = configuration
        self._random = random.Random(seed)  # noqa: S311  a mix that can be repeated, no secret
        self._faults = faults_in(folder, Path(configuration.source))
        self._segmenter = self._opened()
        self._known = known_slices(self._segmenter, _sizes(self._segmenter), PHANTOMS)
        self._turns = 0

    def turn(self, seconds: float) -> Turn:
        """Bad input of every kind, then traffic for `seconds`; every fourth time the bundle is opened again."""
        tally, complaints = Tally(), []
        reloads = int(self._turns % RELOAD_EVERY == RELOAD_EVERY - 1)
        if reloads:
            complaints += self._reload()
        for fault in self._random.sample(self._faults, len(self._faults)):
            complaints.append(complaint(fault, self._segmenter, self._random.choice(self._known)))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            complaints.append(self._traffic(tally))
        if self._configuration.leak:
            LEAKS[self._configuration.leak]()
        before = time.process_time()
        latency_ms = min(self._probe(tally) for _ in range(PROBES))
        cpu_ms = (time.process_time() - before) / PROBES * 1e3
        gc.collect()
        self._turns += 1
        said = tuple(f"{text} ({count} times)" for text, count in Counter(filter(None, complaints)).items())
        return Turn(tally.masks, tally.wrong, len(self._faults), said, reloads, latency_ms, cpu_ms)

    def _traffic(self, tally: Tally) -> str:
        """Some threads, each with some slices by one entry point; "", or the error that a good slice got."""
        threads = self._random.randint(1, MAX_THREADS)
        shares = [self._random.choices(self._known, k=self._random.randint(1, MAX_SHARE)) for _ in range(threads)]
        try:
            from_threads(self._segmenter, shares, tally, self._random.sample(WAYS, len(WAYS)))
        except Exception as error:
            return f"a good slice: {type(error).__name__}: {error}"
        return ""

    def _reload(self) -> list[str]:
        """Closes the Segmenter, checks that it is closed, and opens another."""
        closed = self._segmenter
        closed.close()
        self._segmenter = self._opened()
        try:
            closed.segment(self._known[0].image)
        except ClosedError:
            return []
        return ["a closed Segmenter: no error instead of ClosedError"]

    def _probe(self, tally: Tally) -> float:
        known = self._known[0]
        start = time.perf_counter()
        mask = self._segmenter.segment(known.image).mask
        wait_longer(self._configuration.leak)
        elapsed_ms = (time.perf_counter() - start) * 1e3
        tally.saw(known, mask)
        return elapsed_ms

    def _opened(self) -> Segmenter:
        chosen = self._configuration
        return load(chosen.source, chosen.runtime, threads=chosen.threads, precision=chosen.precision)


def _sizes(segmenter: Segmenter) -> list[tuple[int, int]]:
    """The bundle's own size first, and others, which are resized, unless its graph only returns masks."""
    manifest = segmenter.bundle.manifest
    height, width = manifest.preprocessing.size
    if manifest.output.name == MASK:
        return [(height, width)]
    return [(height, width), (height * 3 // 4, width), (height, width * 5 // 4), (height // 2, width // 2)]


class Worker:
    """The commands of a soak's process."""

    def open(self, configuration: dict[str, Any], folder: str, seed: int) -> None:
        """Opens the configuration; `folder` gets files that are bad input."""
        self._soaked = Soaked(Configuration(**configuration), Path(folder), seed)

    def turn(self, seconds: float) -> Turn:
        """A turn."""
        return self._soaked.turn(seconds)


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
