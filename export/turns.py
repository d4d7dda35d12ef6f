"""Candidates measured on this machine: each in a process of its own, one at a time, in turns.

Neighbours and the processor's clock change from minute to minute; what is measured in turns is measured alike.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle, file_records, write_bundle
from miniseg_edge.errors import ExportError
from miniseg_edge.export.artifacts import BuiltArtifact
from miniseg_edge.golden import npy_from_logits
from miniseg_edge.images import png_from_pixels
from miniseg_edge.manifest import Artifact, GoldenSlice, Manifest, sealed
from miniseg_edge.runtimes.registry import REGISTRY

TURN_S = 0.4

_WORKER = """
import sys, time, numpy, miniseg_edge
bundle, runtime = sys.argv[1:]
with miniseg_edge.load(bundle, runtime, "cpu") as segmenter:
    manifest = segmenter.bundle.manifest
    shape = (1, manifest.interface.channels, *manifest.preprocessing.size)
    grey = numpy.random.default_rng(0).random(shape, numpy.float32) * 255
    print("ready", flush=True)
    for line in sys.stdin:
        taken, start, seconds = [], time.perf_counter(), float(line)
        while time.perf_counter() - start < 2 * seconds or not taken:
            before = time.perf_counter()
            segmenter.runtime.infer(grey)
            if before - start > seconds:  # the first half is the warm-up
                taken.append(time.perf_counter() - before)
        print(1e3 * float(numpy.median(taken)), flush=True)
"""


@dataclass(frozen=True)
class Candidate:
    """A bundle with one artefact, on disk, and the runtime that measures it."""

    name: str
    path: Path
    runtime: str


def candidate(manifest: Manifest, artifact: Artifact, built: BuiltArtifact, path: Path) -> Candidate:
    """Writes a bundle with this one artefact; its golden slice is a placeholder, because nobody judges it by that.

    Args:
        manifest: of the bundle to be.
        artifact: with target and precision; its files are taken from `built`.
        built: the artefact.
        path: a folder that is not there yet.
    """
    golden = {
        "golden.png": png_from_pixels(np.zeros(manifest.preprocessing.size, np.uint8)),
        "golden.npy": npy_from_logits(np.zeros((1, *manifest.preprocessing.size), np.float32)),
        manifest.parity.report: b"{}",
    }
    contents = {**built.files, **golden}
    found = replace(
        manifest,
        artifacts=(replace(artifact, files=tuple(built.files), quantization=None),),
        golden=(GoldenSlice("placeholder", "golden.png", "golden.npy"),),
        files=file_records(contents),
    )
    write_bundle(Bundle(path.name, sealed(found), contents), path)
    runtime = next(entry.name for entry in REGISTRY if entry.target == artifact.target)
    return Candidate(path.name, path, runtime)


def rounds_of_turns(candidates: Sequence[Candidate], rounds: int) -> Iterator[dict[str, float]]:
    """Round by round, each candidate's median latency of inference in ms, by name.

    Raises:
        ExportError: one cannot be opened or run.
    """
    with contextlib.ExitStack() as opened:
        workers = [opened.enter_context(_worker(one)) for one in candidates]
        for _ in range(rounds):
            yield {one.name: _turn(one, worker) for one, worker in zip(candidates, workers, strict=True)}


def measured(candidates: Sequence[Candidate], rounds: int, what: str) -> dict[str, tuple[float, ...]]:
    """Each candidate's turns by name, as `rounds_of_turns` gives them; shows how far it is.

    Raises:
        ExportError: one cannot be opened or run.
    """
    found: list[dict[str, float]] = []
    with terminal.counted(f"measuring {what}, {rounds} rounds", rounds) as progress:
        for turns in rounds_of_turns(candidates, rounds):
            found.append(turns)
            progress(len(found), rounds)
    return {one.name: tuple(turns[one.name] for turns in found) for one in candidates}


@contextlib.contextmanager
def _worker(candidate: Candidate) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", _WORKER, str(candidate.path), candidate.runtime]
    with subprocess.Popen(  # noqa: S603  our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _line(candidate, process)
            yield process
        finally:
            process.kill()


def _turn(candidate: Candidate, process: "subprocess.Popen[str]") -> float:
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):  # the missing answer tells
        process.stdin.write(f"{TURN_S / 2}\n")
        process.stdin.flush()
    return float(_line(candidate, process))


def _line(candidate: Candidate, process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    line = process.stdout.readline()
    if not line:
        reason = process.stderr.read().strip()[-300:]
        raise ExportError(f"{candidate.name} could not be measured", "a latency", reason)
    return line
