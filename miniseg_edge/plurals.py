"""Counted things in words, right for one and for many."""


def number_of(count: int, noun: str, plural: str | None = None) -> str:
    """`1 slice`, `2 slices`; `plural` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
