"""Text for counted things, with the right singular and plural."""

from collections.abc import Sequence

MOST_NAMES = 12


def number_of(count: int, noun: str, plural: str | None = None) -> str:
    """`1 slice`, `2 slices`; `plural` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """`a, b`, or the first `most` of them and how many more there are: `a, b and 8 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
