"""Times candidates on this machine: each in a separate process, in alternating rounds."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.bundle.bundle import Bundle, file_records, write_bundle
from miniseg_edge.bundle.golden import npy_from_logits
from miniseg_edge.bundle.manifest import Artifact, GoldenSlice, Manifest, sealed
from miniseg_edge.console import terminal
from miniseg_edge.errors import ExportError, InferenceError
from miniseg_edge.export.builders.interface import BuiltArtifact
from miniseg_edge.measuring.process import MeasuringProcess
from miniseg_edge.measuring.turns import rounds_of
from miniseg_edge.runtimes.backends.registry import reader_of
from miniseg_edge.slices.images import png_from_pixels

TURN_S = 0.02
"""Duration of each candidate's turn, or one inference if that takes longer.

It is short because the machine's state changes from moment to moment: the closer in time two turns are, the more of it
they share.
"""

LOOKS = (120, 240, 480)
"""After each of these numbers of rounds, it is checked whether the choice is clear; the last is the maximum."""


@dataclass(frozen=True)
class Candidate:
    """A bundle with one artefact, on disk, and the runtime that measures it.

    Attributes:
        name, path, runtime: of it.
        slower: planted by a self-check: a fraction of its latency to add.
    """

    name: str
    path: Path
    runtime: str
    slower: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One candidate: median latency of inference, and processor time per call, summed over all threads, in ms."""

    p50_ms: float
    processor_ms: float


Round = dict[str, Turn]
"""Each candidate's turn by name, in the candidates' order."""


def candidate(manifest: Manifest, artifact: Artifact, built: BuiltArtifact, path: Path) -> Candidate:
    """Writes a bundle with this one artefact. The golden slice is a placeholder; it is never compared.

    Args:
        manifest: of the future bundle.
        artifact: with target and precision; its files are taken from `built`.
        built: the artefact.
        path: a folder that does not exist yet.
    """
    golden = {
        "golden.png": png_from_pixels(np.zeros(manifest.preprocessing.size, np.uint8)),
        "golden.npy": npy_from_logits(np.zeros((1, *manifest.preprocessing.size), np.float32)),
        manifest.parity.report: b"{}",
    }
    contents = {**built.files, **golden}
    found = replace(
        manifest,
        artifacts=(replace(artifact, files=tuple(built.files), quantization=None, operators=built.operators),),
        golden=(GoldenSlice("placeholder", "golden.png", "golden.npy"),),
        files=file_records(contents),
    )
    write_bundle(Bundle(path.name, sealed(found), contents), path)
    runtime = reader_of(artifact.target).name
    return Candidate(path.name, path, runtime)


def candidate_of_bundle(bundle: Bundle, artifact: Artifact, path: Path) -> Candidate:
    """The same for an artefact that a bundle contains."""
    files = {name: bundle.contents[name] for name in artifact.files}
    built = BuiltArtifact(files, artifact.nodes, artifact.macs, artifact.compiled)
    return candidate(bundle.manifest, artifact, built, path)


def rounds_of_turns(candidates: Sequence[Candidate], rounds: int) -> Generator[Round, None, None]:
    """Round by round, each candidate's turn.

    Raises:
        ExportError: one cannot be opened or run.
    """
    with contextlib.ExitStack() as opened:
        workers = {
            one.name: opened.enter_context(MeasuringProcess("miniseg_edge.export.choosing.turn", one.name))
            for one in candidates
        }
        for one in candidates:
            _asked(workers[one.name], "open", bundle=str(one.path), runtime=one.runtime, slower=one.slower)
        for names in rounds_of(list(workers), rounds):
            taken = {name: Turn(**_asked(workers[name], "turn", seconds=TURN_S / 2)) for name in names}
            yield {name: taken[name] for name in workers}


def measured(
    candidates: Sequence[Candidate],
    what: str,
    undecided: Callable[[Sequence[Round]], bool],
    known: Sequence[Round] = (),
    keep: Callable[[Round], None] = lambda found: None,
) -> tuple[Round, ...]:
    """Rounds until the choice is clear or the maximum in `LOOKS` is reached; shows progress.

    Args:
        candidates: to be measured.
        what: they are, as text.
        undecided: whether more rounds might change the choice.
        known: rounds of an earlier run.
        keep: called with each new round.

    Raises:
        ExportError: one cannot be opened or run.
    """
    found, budget = list(known), LOOKS[-1]
    if budget <= len(found) or (len(found) in LOOKS and not undecided(found)):
        return tuple(found)
    rounds = rounds_of_turns(candidates, budget - len(found))
    with terminal.counted(f"measuring {what}, up to {budget} rounds", budget) as progress, contextlib.closing(rounds):
        for turns in rounds:
            found.append(turns)
            keep(turns)
            progress(len(found), budget)
            if len(found) in LOOKS and not undecided(found):
                break
    return tuple(found)


def latencies(rounds: Sequence[Round]) -> dict[str, tuple[float, ...]]:
    """Each candidate's median latencies in ms, round by round."""
    return {name: tuple(turns[name].p50_ms for turns in rounds) for name in (rounds[0] if rounds else ())}


def processor_times(rounds: Sequence[Round]) -> dict[str, tuple[float, ...]]:
    """Each candidate's processor time per call in ms, round by round."""
    return {name: tuple(turns[name].processor_ms for turns in rounds) for name in (rounds[0] if rounds else ())}


def _asked(process: MeasuringProcess, command: str, **arguments: Any) -> Any:
    try:
        return process.ask(command, **arguments)
    except InferenceError as error:
        raise ExportError(f"{process.name} could not be measured", because=error.because) from error
