"""The search: which groups of convolutions to quantize, by the lesion's Dice and by this machine's speed.

All groups are quantized, then each is left alone in turn: what the Dice regains is that group's sensitivity. From the
most to the least sensitive they are then left alone one after another; each of these sets is judged, and all are
measured in turns beside FP32. What is kept is, of the sets that keep the limits and are nearly as fast as the fastest
of them, the one with the best Dice. Calibration slices judge, so that validation stays unseen. Sets and
Dice are the same for the same slices and seed; only the choice among them knows how fast this machine is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.errors import ParityError
from miniseg_edge.export.quantization.journal import Journal, Verdict
from miniseg_edge.export.quantization.plan import PLAN_SCHEMA_VERSION, QuantizationPlan, Trial
from miniseg_edge.export.turns import Candidate, rounds_of_turns
from miniseg_edge.host import processor

ROUNDS = 15
AS_FAST = 0.92
"""Sets this near to the fastest are worth their better Dice: validation's worst slice is mostly worse than
calibration's, and a measurement on a shared machine cannot tell much less apart."""

Groups = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """What the search works with.

    Attributes:
        groups: all that could be quantized, in the graph's order.
        exact: the FP32 artefact.
        build: quantizes a set of groups; builds it once.
        judge: what a candidate's masks are worth.
    """

    groups: Groups
    exact: Candidate
    build: Callable[[Groups], Candidate]
    judge: Callable[[Candidate], Verdict]


def searched(space: SearchSpace, journal: Journal, seed: int) -> QuantizationPlan:
    """Runs the search, or what of it the journal does not know yet; progress goes to the terminal.

    Raises:
        ParityError: no set keeps the limits.
        ExportError: a candidate cannot be built or measured.
    """
    everything, count = space.groups, len(space.groups)
    with terminal.counted("INT8: what each group costs in Dice", 2 * count) as progress:
        judged = _Judged(space, journal, progress, 2 * count)
        whole = judged(everything).dice_mean
        regained = {group: judged(_without(everything, {group})).dice_mean - whole for group in everything}
        order = sorted(everything, key=lambda group: -regained[group])
        ladder = [_without(everything, set(order[:left])) for left in range(count)]
        verdicts = {groups: judged(groups) for groups in ladder}
    ratios, medians = _measured(space, ladder, journal)
    trials = [_trial(groups, verdicts[groups], ratios[groups], medians[groups]) for groups in ladder]
    best = _best(trials)
    others = (_without(everything, {group}) for group in everything)
    unmeasured = [_trial(g, judged(g), (), ()) for g in others if g not in verdicts]
    return QuantizationPlan(
        PLAN_SCHEMA_VERSION, best.groups, seed, _reason(best, everything), processor(), (*trials, *unmeasured)
    )


class _Judged:
    """Verdicts on sets, each worked out once, in this run or in one that was cut off."""

    def __init__(self, space: SearchSpace, journal: Journal, progress: Callable[[int, int], None], total: int) -> None:
        self._space, self._journal, self._progress, self._total = space, journal, progress, total
        self._done = 0

    def __call__(self, groups: Groups) -> Verdict:
        if (known := self._journal.verdict(groups)) is None:
            known = self._space.judge(self._space.build(groups))
            self._journal.keep_verdict(groups, known)
        self._done += 1
        self._progress(min(self._done, self._total), self._total)
        return known


def _measured(
    space: SearchSpace, ladder: Sequence[Groups], journal: Journal
) -> tuple[Mapping[Groups, tuple[float, ...]], Mapping[Groups, tuple[float, ...]]]:
    """FP32's latency over each set's, and each set's in ms, round by round."""
    missing = ROUNDS - len(journal.rounds)
    if missing:
        built = [space.build(groups) for groups in terminal.track(ladder, f"building {len(ladder)} candidates")]
        with terminal.counted(f"measuring them beside FP32, {ROUNDS} rounds", ROUNDS) as progress:
            for turns in rounds_of_turns([space.exact, *built], missing):
                journal.keep_round(tuple(turns.values()))
                progress(len(journal.rounds), ROUNDS)
    exact, *each = zip(*journal.rounds, strict=True)
    ratios = [tuple(a / b for a, b in zip(exact, one, strict=True)) for one in each]
    return dict(zip(ladder, ratios, strict=True)), dict(zip(ladder, each, strict=True))


def _trial(groups: Groups, verdict: Verdict, ratios: Sequence[float], taken: tuple[float, ...]) -> Trial:
    speed = float(np.median(ratios)) if ratios else 0.0
    return Trial(groups, verdict.dice_mean, verdict.dice_worst, verdict.failures, speed, taken)


def _best(trials: Sequence[Trial]) -> Trial:
    kept = [trial for trial in trials if not trial.failures]
    if not kept:
        nearest = max(trials, key=lambda trial: trial.dice_mean)
        raise ParityError(
            "no set of groups keeps the lesion in INT8", "the limits on the calibration slices",
            "; ".join(nearest.failures), "Do not use INT8 for this checkpoint, or say which limits you accept.",
        )  # fmt: skip
    fastest = max(trial.speed for trial in kept)
    return max((t for t in kept if t.speed >= AS_FAST * fastest), key=lambda t: (t.dice_mean, t.speed))


def _reason(best: Trial, everything: Groups) -> str:
    left = [group for group in everything if group not in best.groups]
    alone = f"all but {', '.join(left)}" if left else "all groups"
    return (
        f"{alone}: {best.speed:.2f} times FP32's speed, Dice {best.dice_mean:.4f} mean and {best.dice_worst:.4f} worst "
        f"on the calibration slices: the best Dice of the sets within the limits and less than {1 - AS_FAST:.0%} "
        "slower than the fastest"
    )


def _without(groups: Groups, left: set[str]) -> Groups:
    return tuple(group for group in groups if group not in left)


def sets_of(plan: QuantizationPlan) -> Iterator[Trial]:
    """The trials whose speed was measured: the frontier's points."""
    return (trial for trial in plan.trials if trial.p50_ms)
