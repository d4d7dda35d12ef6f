"""The package's extras, and what each of them still lacks in this environment."""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DISTRIBUTION = "miniseg-edge"
_REQUIREMENT = re.compile(r"""([\w.-]+)(?:\[([\w,.-]+)\])?[^;]*;\s*extra == ["']([\w-]+)["']$""")
"""A requirement of an extra without further conditions: its name, its own extras, and the extra."""


@dataclass(frozen=True)
class Extra:
    """An extra of `pip install "miniseg-edge[...]"`.

    Attributes:
        name: of the extra.
        missing: distributions that are not installed.
    """

    name: str
    missing: tuple[str, ...]


def extras() -> tuple[Extra, ...]:
    """All extras; none where the package's own metadata is not at hand, as in a frozen app."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    named: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        if (found := _REQUIREMENT.match(line)) is not None:
            named.setdefault(found[3], []).append((found[1], found[2] or ""))
    return tuple(Extra(name, tuple(dict.fromkeys(_missing(name, named)))) for name in sorted(named))


def _missing(extra: str, named: Mapping[str, list[tuple[str, str]]]) -> Iterator[str]:
    for distribution, own in named.get(extra, ()):
        if distribution == DISTRIBUTION:
            for name in own.split(","):
                yield from _missing(name, named)
        elif not _is_installed(distribution):
            yield distribution


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
