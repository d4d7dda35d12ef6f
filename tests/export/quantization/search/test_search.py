"""The search against spaces whose answer is known; the candidates are real files that are never opened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.errors import ParityError
from miniseg_edge.export.choosing import turns
from miniseg_edge.export.choosing.turns import LOOKS, Candidate, Round, Turn
from miniseg_edge.export.quantization.search.journal import Journal, Verdict
from miniseg_edge.export.quantization.search.noise import LIMIT
from miniseg_edge.export.quantization.search.search import Groups, SearchSpace, ladder_of, largest, searched

NOISE = {"loud": 2.0, "middle": 0.6, "quiet": 0.1, "still": 0.01}
MULTIPLICATIONS = {"loud": 40, "middle": 10, "quiet": 20, "still": 5}
COST = {"middle": 0.004, "quiet": 0.001, "still": 0.0005}
SAVED_MS = {"middle": 4.0, "quiet": 2.0, "still": 0.1}

LADDER = ladder_of(tuple(NOISE), NOISE, MULTIPLICATIONS)


@dataclass
class Known:
    """Every group costs Dice and saves time by itself."""

    limit: float = 0.98
    judged: list[Groups] = field(default_factory=list)

    def space(self) -> SearchSpace:
        return SearchSpace(tuple(NOISE), LADDER, Candidate("fp32", Path("fp32"), "none"), self.build, self.judge)

    def build(self, groups: Groups) -> Candidate:
        return Candidate("+".join(groups), Path("+".join(groups)), "none")

    def judge(self, groups: Groups) -> Verdict:
        self.judged.append(groups)
        dice = 1 - sum(COST[group] for group in groups)
        noise = sum(NOISE[group] ** 2 for group in groups) ** 0.5
        return Verdict(dice, dice, noise, () if dice >= self.limit else ("mean Dice",))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies that are known, in the place of a machine's."""

    def rounds(candidates: Sequence[Candidate], count: int) -> Iterator[Round]:
        taken = {one.name: 20 - sum(SAVED_MS.get(group, 0.0) for group in one.name.split("+")) for one in candidates}
        yield from [{name: Turn(ms, 2 * ms) for name, ms in taken.items()}] * count

    monkeypatch.setattr(turns, "rounds_of_turns", rounds)


def test_groups_are_taken_by_noise_for_their_multiplications_while_the_noise_is_within_the_limit() -> None:
    assert LADDER == (("middle", "quiet", "still"), ("quiet", "still"), ("still",))


@given(st.dictionaries(st.text("abcdef", min_size=1), st.tuples(st.floats(0, 3), st.integers(1, 99)), min_size=1))
def test_every_set_of_the_ladder_is_within_the_limit_and_holds_the_smaller_ones(
    groups: dict[str, tuple[float, int]],
) -> None:
    noise, counts = ({name: pair[i] for name, pair in groups.items()} for i in (0, 1))
    ladder = ladder_of(tuple(groups), noise, {name: int(count) for name, count in counts.items()})
    for one in ladder:
        assert sum(noise[group] ** 2 for group in one) <= LIMIT**2
        assert list(one) == [group for group in groups if group in one], "in the graph's order"
    for larger, smaller in pairwise(ladder):
        assert set(smaller) < set(larger)
    assert ladder or min(noise[group] ** 2 / counts[group] for group in groups) > 0


def test_the_fastest_set_within_the_limits_is_kept(tmp_path: Path) -> None:
    plan = searched(Known().space(), Journal.at(tmp_path / "j", "f"), 0)
    assert plan.groups == ("middle", "quiet", "still")
    assert [t.groups for t in plan.trials] == list(LADDER)
    assert plan.trials[0].speed == pytest.approx(20 / 13.9)
    assert plan.trials[0].noise == pytest.approx(0.608, abs=1e-3)
    assert "noise of 0.61 grey levels" in plan.reason


def test_a_set_that_does_not_keep_the_limits_is_not_measured(tmp_path: Path) -> None:
    plan = searched(Known(limit=0.996).space(), Journal.at(tmp_path / "j", "f"), 0)
    assert plan.groups == ("quiet", "still")
    assert plan.trials[0].failures == ("mean Dice",)
    assert [t.groups for t in plan.trials if t.p50_ms] == [("quiet", "still"), ("still",)]


def test_within_the_noise_of_measuring_the_better_dice_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAVED_MS, "middle", 0.2)
    assert searched(Known().space(), Journal.at(tmp_path / "j", "f"), 0).groups == ("quiet", "still")


def test_a_set_that_is_no_faster_than_fp32_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for group in SAVED_MS:
        monkeypatch.setitem(SAVED_MS, group, 0.0)
    plan = searched(Known().space(), Journal.at(tmp_path / "j", "f"), 0)
    assert plan.groups == ("still",), "the best Dice"
    assert "INT8 does not pay here" in plan.reason
    assert len(plan.trials[0].p50_ms) == LOOKS[-1], "the whole budget went into it"
    assert plan.trials[0].processor_ms == (40.0,) * LOOKS[-1]


def test_no_set_within_the_limits_is_said_and_nothing_chosen(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"no set of groups.*mean Dice.*--quantization FILE"):
        searched(Known(limit=0.9999).space(), Journal.at(tmp_path / "j", "f"), 0)
    with pytest.raises(ParityError, match="no set of groups"):
        largest(LADDER, Known(limit=0.9999).judge, 0, "all")


def test_a_network_all_of_whose_groups_are_loud_is_refused() -> None:
    assert ladder_of(("loud",), NOISE, MULTIPLICATIONS) == ()
    with pytest.raises(ParityError, match="each group alone has noise of more than 1 grey level"):
        largest((), Known().judge, 0, "all")


def test_the_rule_takes_the_largest_set_that_keeps_the_limits_and_looks_no_further() -> None:
    known = Known(limit=0.996)
    plan = largest(LADDER, known.judge, 7, "wide groups")
    assert (plan.groups, plan.seed, plan.machine) == (("quiet", "still"), 7, "")
    assert known.judged == [trial.groups for trial in plan.trials] == list(LADDER[:2])
    assert plan.reason.startswith("wide groups, ")
    assert "by rule, no speed was measured" in plan.reason


def test_it_goes_on_where_it_was_cut_off_with_the_same_result(tmp_path: Path) -> None:
    whole = searched(Known().space(), Journal.at(tmp_path / "whole", "f"), 0)
    cut = Known()

    def interrupted(groups: Groups) -> Verdict:
        if len(cut.judged) == 2:
            raise KeyboardInterrupt
        return cut.judge(groups)

    space = cut.space()
    with pytest.raises(KeyboardInterrupt):
        searched(
            SearchSpace(space.groups, space.ladder, space.exact, space.build, interrupted),
            Journal.at(tmp_path / "j", "f"),
            0,
        )
    rest = Known()
    assert searched(rest.space(), Journal.at(tmp_path / "j", "f"), 0) == whole
    assert not set(rest.judged) & set(cut.judged)
    again = Known()
    journal = Journal.at(tmp_path / "j", "f")
    assert len(journal.rounds) == LOOKS[0], "every comparison is clear, as nothing here is noisy"
    assert searched(again.space(), journal, 0) == whole
    assert not again.judged
