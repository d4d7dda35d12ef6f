"""The order of measurements within rounds."""

from collections.abc import Sequence
from typing import TypeVar

_Thing = TypeVar("_Thing")


def rounds_of(things: Sequence[_Thing], count: int) -> list[list[_Thing]]:
    """Rounds in which each thing has one turn.

    Each round starts with another one, so that none always follows the same.
    """
    starts = [index % max(1, len(things)) for index in range(count)]
    return [[*things[start:], *things[:start]] for start in starts]
