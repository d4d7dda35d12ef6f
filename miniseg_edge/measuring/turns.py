"""In which order things have their turns."""

from collections.abc import Sequence
from typing import TypeVar

_Thing = TypeVar("_Thing")


def rounds_of(things: Sequence[_Thing], count: int) -> list[list[_Thing]]:
    """Rounds in which each thing has one turn; another one begins each, so that none always follows the same one."""
    starts = [index % max(1, len(things)) for index in range(count)]
    return [[*things[start:], *things[:start]] for start in starts]
