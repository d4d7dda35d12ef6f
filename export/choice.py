"""`--precision auto`: of the precisions that passed parity, the one that pays most on this machine, and why."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle
from miniseg_edge.export.artifacts import BuiltArtifact
from miniseg_edge.export.request import PRECISIONS
from miniseg_edge.export.turns import candidate, measured
from miniseg_edge.host import processor
from miniseg_edge.manifest import Artifact, PrecisionChoice, PrecisionTiming
from miniseg_edge.parity import TargetParity

ROUNDS = 11
WORTH = 1.03
"""A less exact precision must be this much faster; less is within the noise and would be given for nothing."""


def choices_among(bundle: Bundle, parities: Sequence[TargetParity]) -> tuple[PrecisionChoice, ...]:
    """One for each target of which anything passed.

    Raises:
        ExportError: an artefact cannot be measured.
    """
    passed = {(p.target, p.precision): p for p in parities if p.passed}
    found = []
    for target in dict.fromkeys(target for target, _ in passed):
        artifacts = [a for a in bundle.manifest.artifacts if (a.target, a.precision) in passed and a.target == target]
        choice = _choice(bundle, artifacts, {a.precision: passed[target, a.precision] for a in artifacts})
        terminal.say(f"{target}: {choice.reason}", "good")
        found.append(choice)
    return tuple(found)


def _choice(bundle: Bundle, artifacts: Sequence[Artifact], parities: dict[str, TargetParity]) -> PrecisionChoice:
    taken = _measured(bundle, artifacts) if len(artifacts) > 1 else {artifacts[0].precision: ()}
    by_exactness = sorted(taken, key=PRECISIONS.index)
    speeds = {name: _speed(taken[by_exactness[0]], taken[name]) for name in by_exactness}
    kept = by_exactness[0]
    for name in by_exactness[1:]:
        if speeds[name] > WORTH * speeds[kept]:
            kept = name
    shown = ", ".join(_shown(name, speeds[name], by_exactness[0], parities[name]) for name in by_exactness)
    timings = tuple(PrecisionTiming(name, taken[name]) for name in by_exactness)
    advice = "; do not use int8 here" if "int8" in taken and kept != "int8" else ""
    reason = f"{kept} is kept{advice} ({shown}); a less exact precision must be at least {WORTH:g} times as fast"
    return PrecisionChoice(artifacts[0].target, kept, reason, processor(), timings)


def _shown(name: str, speed: float, base: str, parity: TargetParity) -> str:
    return f"{name}: {speed:.2f} times {base}'s speed, Dice {parity.dice_mean:.4f} mean, {parity.dice_worst:.4f} worst"


def _speed(base: Sequence[float], own: Sequence[float]) -> float:
    """The median of the rounds' ratios; 1 where there was nothing to compare."""
    return float(np.median([a / b for a, b in zip(base, own, strict=True)])) if own else 1.0


def _measured(bundle: Bundle, artifacts: Sequence[Artifact]) -> dict[str, tuple[float, ...]]:
    """Each artefact's latency in ms by precision, round by round."""
    with tempfile.TemporaryDirectory(prefix="miniseg-auto-") as folder:
        candidates = []
        for artifact in artifacts:
            files = {name: bundle.contents[name] for name in artifact.files}
            built = BuiltArtifact(files, artifact.nodes, artifact.macs)
            candidates.append(candidate(bundle.manifest, artifact, built, Path(folder) / artifact.precision))
        return measured(candidates, ROUNDS, artifacts[0].target)
