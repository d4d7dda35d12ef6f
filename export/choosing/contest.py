"""Chooses by speed: the first one stays unless the measurements show a difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miniseg_edge.measuring.speed import Speed, speed


@dataclass(frozen=True)
class Contest:
    """The result of the rounds so far.

    Attributes:
        winner: the name of the one to keep.
        speeds: each one's speed relative to the first.
        undecided: whether more rounds might change that.
    """

    winner: str
    speeds: Mapping[str, Speed]
    undecided: bool

    @property
    def nothing_wins(self) -> bool:
        """Whether the first one stays, although there were others."""
        return len(self.speeds) > 1 and self.winner == next(iter(self.speeds))


def contest(turns: Mapping[str, Sequence[float]], worth: float = 1.0) -> Contest:
    """The first one stays unless another is faster by more than noise, and so on down the list.

    Args:
        turns: times of each, round by round, by name; the preferred one comes first.
        worth: a later one must be this many times as fast.
    """
    first, *others = turns
    winner, undecided = first, False
    for name in others:
        found = speed(turns[winner], turns[name])
        undecided |= found.within_noise
        if found.faster and found.ratio >= worth:
            winner = name
    return Contest(winner, {name: speed(turns[first], taken) for name, taken in turns.items()}, undecided)
