"""`--precision auto`: chooses the precision with the best speed on this machine among those that passed parity."""

import tempfile
from collections.abc import Sequence, Set
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact, PrecisionChoice, PrecisionTiming
from miniseg_edge.console import terminal
from miniseg_edge.export.choosing.contest import contest
from miniseg_edge.export.choosing.turns import Round, candidate_of_bundle, latencies, measured, processor_times
from miniseg_edge.export.targets import PRECISIONS
from miniseg_edge.host.processor import processor
from miniseg_edge.measuring.speed import Speed
from miniseg_edge.parity.comparison import TargetParity

WORTH = 1.03
"""A less exact precision must be at least this many times as fast."""


def choices_among(bundle: Bundle, parities: Sequence[TargetParity]) -> tuple[PrecisionChoice, ...]:
    """One choice for each target of which anything passed.

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


def kept_artifacts(choices: Sequence[PrecisionChoice], passed: Set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What goes into the bundle: (target, precision). FP32 is kept next to BF16, because other CPUs cannot run BF16.

    Args:
        choices: one for each target.
        passed: the artefacts that passed parity.
    """
    chosen = {(choice.target, choice.precision) for choice in choices}
    return chosen | ({(target, "fp32") for target, precision in chosen if precision == "bf16"} & passed)


def _choice(bundle: Bundle, artifacts: Sequence[Artifact], parities: dict[str, TargetParity]) -> PrecisionChoice:
    exact_first = sorted(artifacts, key=lambda artifact: PRECISIONS.index(artifact.precision))
    if len(exact_first) == 1:
        (only,) = exact_first
        return PrecisionChoice(
            only.target, only.precision, f"{only.precision} is kept: no other was built, or none passed", "", ()
        )
    rounds = _measured(bundle, exact_first)
    taken, processor_ms = latencies(rounds), processor_times(rounds)
    judged = contest(taken, WORTH)
    kept, base = judged.winner, exact_first[0].precision
    shown = ", ".join(_shown(name, one, base, parities[name]) for name, one in judged.speeds.items())
    timings = tuple(PrecisionTiming(name, taken[name], processor_ms[name]) for name in taken)
    advice = "; do not use int8 here" if "int8" in taken and kept != "int8" else ""
    reason = (
        f"{kept} is kept{advice} ({shown}); a less exact precision must be at least {WORTH:g} times as fast, and "
        "faster by more than noise"
    )
    return PrecisionChoice(exact_first[0].target, kept, reason, processor(), timings)


def _shown(name: str, found: Speed, base: str, parity: TargetParity) -> str:
    dice = f"Dice {parity.dice_mean:.4f} mean, {parity.dice_worst:.4f} worst"
    if name == base:
        return f"{name}: {dice}"
    noise = ", within noise" if found.within_noise else ""
    return f"{name}: {found} times {base}'s speed{noise}, {dice}"


def _measured(bundle: Bundle, artifacts: Sequence[Artifact]) -> tuple[Round, ...]:
    """The artefacts of one target, in their order, named by precision."""
    with tempfile.TemporaryDirectory(prefix="miniseg-auto-") as folder:
        candidates = [candidate_of_bundle(bundle, one, Path(folder) / one.precision) for one in artifacts]
        return measured(candidates, artifacts[0].target, lambda rounds: contest(latencies(rounds), WORTH).undecided)
