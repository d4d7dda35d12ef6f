"""How much a command writes, and in which form: what --quiet and --json ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """What a command writes.

    Attributes:
        quiet: warnings, errors and answers alone.
        json: the answer is one JSON document on standard output; text for people goes to standard error.
    """

    quiet: bool = False
    json: bool = False


_voices = [Voice()]
"""The latest last: a command that runs another one passes its own voice on."""


def voice() -> Voice:
    """The voice of the command that runs now."""
    return _voices[-1]


@contextmanager
def speaking(wanted: Voice) -> Iterator[None]:
    """Inside, everything is written with this voice, and as quietly as before."""
    _voices.append(Voice(voice().quiet or wanted.quiet, voice().json or wanted.json))
    try:
        yield
    finally:
        _voices.pop()


@contextmanager
def answering() -> Iterator[None]:
    """Inside, text is what was asked for: --quiet does not suppress it, and --json replaces it."""
    _voices.append(Voice(quiet=voice().json, json=voice().json))
    try:
        yield
    finally:
        _voices.pop()
