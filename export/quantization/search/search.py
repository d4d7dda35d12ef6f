"""Chooses the groups of convolutions to quantize: by noise, by the lesion's Dice, and for CPUs by this machine's speed.

Groups are added in the order of their noise per multiplication, least first, as long as they stay within the noise of
one grey level together: noises of different groups are independent, so their squares add up. That makes a ladder of
sets. For CPUs, those that keep the limits are timed in alternation with FP32. The set with the best Dice is kept,
unless another is faster by more than noise. For engines it is the largest set that keeps the
limits, without timing: no GPU is used. Calibration slices judge, so that validation remains unseen. Sets, noise and
    Dice are the same on every machine; only the choice among sets for CPUs depends on this machine's speed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from miniseg_edge.console import terminal
from miniseg_edge.errors import ParityError
from miniseg_edge.export.choosing.contest import Contest, contest
from miniseg_edge.export.choosing.turns import Candidate, Round, latencies, measured, processor_times
from miniseg_edge.export.quantization.search.journal import Journal, Verdict
from miniseg_edge.export.quantization.search.noise import LIMIT
from miniseg_edge.export.quantization.search.plan import PLAN_SCHEMA_VERSION, QuantizationPlan, Trial
from miniseg_edge.host.processor import processor
from miniseg_edge.measuring.speed import Speed

WORTH = 1.02
"""A set with less Dice must be this many times as fast."""

Groups = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The search's inputs.

    Attributes:
        groups: all that could be quantized, in the graph's order.
        ladder: sets of them, the largest first.
        exact: the FP32 artefact.
        build: quantizes a set of groups; builds it once.
        judge: returns the verdict on a set.
    """

    groups: Groups
    ladder: tuple[Groups, ...]
    exact: Candidate
    build: Callable[[Groups], Candidate]
    judge: Callable[[Groups], Verdict]


def ladder_of(
    groups: Sequence[str], noise: Mapping[str, float], multiplications: Mapping[str, int]
) -> tuple[Groups, ...]:
    """Sets of groups within the noise of one grey level, the largest first; empty if no group is.

    Args:
        groups: in the graph's order.
        noise: of each group by itself, in grey levels.
        multiplications: of each group for a slice.
    """
    square_of = {group: noise[group] * noise[group] for group in groups}  # a product has the same bits everywhere
    by_gain = sorted(groups, key=lambda group: square_of[group] / multiplications[group])
    sets, taken, square = [], set(), 0.0
    for group in by_gain:
        square += square_of[group]
        if square > LIMIT * LIMIT:
            break
        taken.add(group)
        sets.append(tuple(one for one in groups if one in taken))
    return tuple(reversed(sets))


def searched(space: SearchSpace, journal: Journal, seed: int) -> QuantizationPlan:
    """Runs the search, or the part that the journal lacks; progress is shown in the terminal.

    Raises:
        ParityError: no set keeps the limits.
        ExportError: a candidate cannot be built or measured.
    """
    verdicts = {groups: _known(space, journal, groups) for groups in space.ladder}
    kept = [groups for groups, verdict in verdicts.items() if not verdict.failures]
    if not kept:
        raise _nothing(verdicts)
    rounds = _measured(space, kept, verdicts, journal)
    names = dict(zip(kept, list(rounds[0])[1:], strict=True))
    taken, processor_ms = latencies(rounds), processor_times(rounds)
    over_exact = contest(taken).speeds
    trials = {
        groups: _trial(groups, verdict, over_exact[names[groups]], taken[names[groups]], processor_ms[names[groups]])
        if groups in names
        else _trial(groups, verdict)
        for groups, verdict in verdicts.items()
    }
    chosen = _among(taken, names, verdicts).winner
    best = next(groups for groups, name in names.items() if name == chosen)
    found = over_exact[chosen]
    reason = _reason(trials[best], found, space.groups)
    return QuantizationPlan(PLAN_SCHEMA_VERSION, best, seed, reason, processor(), tuple(trials.values()), found.faster)


def largest(ladder: Iterable[Groups], judge: Callable[[Groups], Verdict], seed: int, wanted: str) -> QuantizationPlan:
    """The largest set that keeps the limits, the same on every machine.

    Args:
        ladder: sets, the largest first.
        judge: returns the verdict on a set.
        seed: selects among many calibration slices.
        wanted: which groups were candidates, as text.

    Raises:
        ParityError: no set keeps the limits.
    """
    trials, verdicts = [], {}
    for groups in ladder:
        verdicts[groups] = verdict = judge(groups)
        trials.append(_trial(groups, verdict))
        if not verdict.failures:
            reason = (
                f"{wanted}, the least noise for their multiplications first: by rule, no speed was measured; "
                f"{_worth(verdict)} on the calibration slices"
            )
            return QuantizationPlan(PLAN_SCHEMA_VERSION, groups, seed, reason, "", tuple(trials))
    raise _nothing(verdicts)


def _known(space: SearchSpace, journal: Journal, groups: Groups) -> Verdict:
    """A verdict that was already computed, in this run or in an interrupted one."""
    if (known := journal.verdict(groups)) is None:
        known = space.judge(groups)
        journal.keep_verdict(groups, known)
    return known


def _measured(
    space: SearchSpace, ladder: Sequence[Groups], verdicts: Mapping[Groups, Verdict], journal: Journal
) -> tuple[Round, ...]:
    """FP32 and the sets, in their order, with the rounds in the journal."""
    built = [space.build(groups) for groups in terminal.track(ladder, f"building {len(ladder)} candidates")]
    candidates = [space.exact, *built]
    names = {groups: one.name for groups, one in zip(ladder, built, strict=True)}
    return measured(
        candidates,
        "them beside FP32",
        lambda rounds: _among(latencies(rounds), names, verdicts).undecided,
        [{one.name: turn for one, turn in zip(candidates, turns, strict=True)} for turns in journal.rounds],
        lambda turns: journal.keep_round(tuple(turns.values())),
    )


def _among(
    taken: Mapping[str, Sequence[float]], names: Mapping[Groups, str], verdicts: Mapping[Groups, Verdict]
) -> Contest:
    """The sets in competition, the one with the best Dice first; of equals, the one with less noise."""
    by_dice = sorted(names, key=lambda groups: (-verdicts[groups].dice_mean, verdicts[groups].noise))
    return contest({names[groups]: taken[names[groups]] for groups in by_dice}, WORTH)


def _trial(
    groups: Groups,
    verdict: Verdict,
    found: Speed | None = None,
    p50_ms: tuple[float, ...] = (),
    processor_ms: tuple[float, ...] = (),
) -> Trial:
    speed = found.ratio if found else 0.0
    dice = (verdict.dice_mean, verdict.dice_worst)
    return Trial(groups, *dice, verdict.noise, verdict.failures, speed, p50_ms, processor_ms)


def _nothing(verdicts: Mapping[Groups, Verdict]) -> ParityError:
    nearest = max(verdicts.values(), key=lambda verdict: verdict.dice_mean, default=None)
    got = (
        f"each group alone has noise of more than {LIMIT:g} grey levels"
        if nearest is None
        else "; ".join(nearest.failures)
    )
    return ParityError(
        "no set of groups passes the parity limits in INT8",
        expected="the limits on the calibration slices",
        got=got,
        remedy=(
            "Do not use INT8 for this checkpoint, relax the limits, or choose what to "
            "quantize with --quantization FILE."
        ),
    )


def _reason(best: Trial, found: Speed, everything: Groups) -> str:
    left = [group for group in everything if group not in best.groups]
    alone = f"all but {', '.join(left)}" if left else "all groups"
    noise = "" if found.faster else ", no faster than FP32 by more than noise: INT8 does not pay here"
    return (
        f"{alone}: {found} times FP32's speed{noise}; {_worth(best)} on the calibration slices: the best Dice of the "
        "sets within the limits, unless another is faster by more than noise"
    )


def _worth(seen: Trial | Verdict) -> str:
    return f"Dice {seen.dice_mean:.4f} mean and {seen.dice_worst:.4f} worst, noise of {seen.noise:.2f} grey levels"


def sets_of(plan: QuantizationPlan) -> Iterator[Trial]:
    """The trials whose speed was measured: the frontier's points."""
    return (trial for trial in plan.trials if trial.p50_ms)
