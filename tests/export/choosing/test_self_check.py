"""The self-check judges choices; what it measures here is known."""

import itertools
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from miniseg_edge.bundle.bundle import Bundle, write_bundle
from miniseg_edge.export.choosing import self_check, turn, turns
from miniseg_edge.export.choosing.turn import Worker
from miniseg_edge.export.choosing.turns import Candidate, Round, Turn


@pytest.mark.parametrize(("again", "slow", "code"), [(10.0, 10.5, 0), (9.0, 10.5, 3), (10.0, 10.0, 3)])
def test_it_says_whether_choices_are_right(
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    again: float,
    slow: float,
    code: int,
) -> None:
    def rounds(candidates: Sequence[Candidate], count: int) -> Iterator[Round]:
        names = [one.name for one in candidates]
        assert [one.slower for one in candidates] == [0, 0, self_check.SLOWER]
        yield from [{name: Turn(ms, ms) for name, ms in zip(names, (10.0, again, slow), strict=True)}] * count

    monkeypatch.setattr(turns, "rounds_of_turns", rounds)
    path = tmp_path_factory.mktemp("check") / "bundle"
    write_bundle(bundle, path)
    assert self_check.main([str(path), "--trials", "2"]) == code


@pytest.mark.parametrize(("slower", "until"), [(0.0, 2), (9.0, 20)])
def test_a_delay_is_a_share_of_the_latency(
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    slower: float,
    until: int,
) -> None:
    """By a clock that moves by 1 whenever it is read: before the inference, twice after it, then until it is time."""
    path = tmp_path_factory.mktemp("delay") / "bundle"
    write_bundle(bundle, path)
    worker = Worker()
    worker.open(str(path), "native", slower)
    clock = itertools.count(1)
    monkeypatch.setattr(turn, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    worker._infer()
    assert next(clock) - 1 == max(until, 4)
