"""The search against spaces whose answer is known; the candidates are real files that nobody opens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from miniseg_edge.errors import ParityError
from miniseg_edge.export.quantization import search
from miniseg_edge.export.quantization.journal import Journal, Verdict
from miniseg_edge.export.quantization.search import ROUNDS, Groups, SearchSpace, searched
from miniseg_edge.export.turns import Candidate

COST = {"loud": 0.03, "middle": 0.004, "quiet": 0.001}
SAVED_MS = {"loud": 3.0, "middle": 2.0, "quiet": 1.0}


@dataclass
class Known:
    """Every group costs Dice and saves time by itself."""

    limit: float = 0.98
    judged: list[Groups] = field(default_factory=list)

    def space(self) -> SearchSpace:
        return SearchSpace(tuple(COST), Candidate("fp32", Path("fp32"), "none"), self.build, self.judge)

    def build(self, groups: Groups) -> Candidate:
        return Candidate("+".join(groups), Path("+".join(groups)), "none")

    def judge(self, one: Candidate) -> Verdict:
        groups = tuple(one.name.split("+"))
        self.judged.append(groups)
        dice = 1 - sum(COST[group] for group in groups)
        return Verdict(dice, dice, () if dice >= self.limit else ("mean Dice",))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies that are known, in the place of a machine's."""

    def rounds(candidates: Sequence[Candidate], count: int) -> list[dict[str, float]]:
        taken = {one.name: 20 - sum(SAVED_MS.get(group, 0.0) for group in one.name.split("+")) for one in candidates}
        return [taken] * count

    monkeypatch.setattr(search, "rounds_of_turns", rounds)


def test_the_most_sensitive_group_is_left_alone_until_the_limits_are_kept(tmp_path: Path) -> None:
    plan = searched(Known().space(), Journal.at(tmp_path / "j", "f"), 0)
    assert plan.groups == ("middle", "quiet")
    assert plan.trials[0].failures == ("mean Dice",)
    assert [t.groups for t in plan.trials if t.p50_ms] == [("loud", "middle", "quiet"), ("middle", "quiet"), ("quiet",)]
    assert plan.trials[1].speed == pytest.approx(20 / 17)


def test_within_the_noise_the_better_dice_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAVED_MS, "middle", 0.2)
    assert searched(Known().space(), Journal.at(tmp_path / "j", "f"), 0).groups == ("quiet",)


def test_no_set_within_the_limits_is_said_and_nothing_chosen(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no set of groups"):
        searched(Known(limit=0.9999).space(), Journal.at(tmp_path / "j", "f"), 0)


def test_it_goes_on_where_it_was_cut_off_with_the_same_result(tmp_path: Path) -> None:
    whole = searched(Known().space(), Journal.at(tmp_path / "whole", "f"), 0)
    cut = Known()

    def interrupted(one: Candidate) -> Verdict:
        if len(cut.judged) == 2:
            raise KeyboardInterrupt
        return cut.judge(one)

    space = cut.space()
    with pytest.raises(KeyboardInterrupt):
        searched(SearchSpace(space.groups, space.exact, space.build, interrupted), Journal.at(tmp_path / "j", "f"), 0)
    rest = Known()
    assert searched(rest.space(), Journal.at(tmp_path / "j", "f"), 0) == whole
    assert not set(rest.judged) & set(cut.judged)
    again = Known()
    journal = Journal.at(tmp_path / "j", "f")
    assert len(journal.rounds) == ROUNDS
    assert searched(again.space(), journal, 0) == whole
    assert not again.judged
