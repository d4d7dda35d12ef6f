"""The first one stays unless the turns show that another is faster."""

import numpy as np

from miniseg_edge.export.choosing.contest import contest

BUDGET = 48


def noisy(median: float, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    taken: list[float] = (median * random.lognormal(0, 0.02, BUDGET)).tolist()
    return taken


def test_of_equal_ones_the_first_stays() -> None:
    for seed in range(20):
        found = contest({"exact": noisy(10, seed), "other": noisy(10, 1000 + seed)})
        assert found.winner == "exact"
        assert found.undecided
        assert found.nothing_wins


def test_one_that_is_five_percent_slower_is_seen_and_never_kept() -> None:
    for seed in range(20):
        found = contest({"exact": noisy(10, seed), "slower": noisy(10.5, 1000 + seed)})
        assert (found.winner, found.undecided) == ("exact", False)
        found = contest({"slower": noisy(10.5, 1000 + seed), "faster": noisy(10, seed)})
        assert (found.winner, found.undecided) == ("faster", False)
        assert found.speeds["faster"].ratio > 1


def test_the_fastest_of_several_is_kept() -> None:
    assert contest({"a": [10.0] * 12, "b": [9.0] * 12, "c": [8.0] * 12, "d": [8.5] * 12}).winner == "c"


def test_what_is_worth_little_is_not_taken() -> None:
    turns = {"exact": [10.0] * 12, "less": [9.8] * 12}
    assert contest(turns).winner == "less"
    assert contest(turns, worth=1.03).winner == "exact"


def test_alone_it_is_kept() -> None:
    found = contest({"only": [10.0]})
    assert (found.winner, found.undecided, found.nothing_wins) == ("only", False, False)
