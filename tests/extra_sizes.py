"""`python -m tests.extra_sizes`: what each extra takes on disk, from the packages that are installed here.

Sizes are those of the files that each distribution recorded, its dependencies' included; a distribution that several
extras need counts in each of them.
"""

import importlib.metadata
import sys
from collections.abc import Iterator
from functools import cache

from packaging.requirements import Requirement

ROOT = "miniseg-edge"


@cache
def megabytes(distribution: str) -> float:
    """Of its own files, in MB (1e6)."""
    files = importlib.metadata.distribution(distribution).files or []
    return sum(path.stat().st_size for file in files if (path := file.locate()).is_file()) / 1e6  # type: ignore[attr-defined]


def needed(distribution: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What it asks for here, with these extras of its own."""
    for line in importlib.metadata.requires(distribution) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def closure(extra: str) -> tuple[frozenset[str], frozenset[str]]:
    """The distributions that an extra brings, and those of them that are not installed here."""
    found: dict[str, set[str]] = {}
    missing = set[str]()
    waiting = [(ROOT, frozenset({extra} - {""}))]
    while waiting:
        name, extras = waiting.pop()
        known = found.setdefault(name, set())
        if name in found and extras <= known and known:
            continue
        known |= extras | {""}
        try:
            waiting += [(r.name.lower(), frozenset(r.extras)) for r in needed(name, frozenset(known))
                        if r.name.lower() not in found or not set(r.extras) <= found[r.name.lower()]]  # fmt: skip
        except importlib.metadata.PackageNotFoundError:
            missing.add(name)
    return frozenset(found) - missing, frozenset(missing)


def main() -> None:
    """A line for each extra."""
    extras = ["", *sorted(importlib.metadata.metadata(ROOT).get_all("Provides-Extra") or [])]
    for extra in extras:
        found, missing = closure(extra)
        total = sum(megabytes(name) for name in found - {ROOT})
        largest = sorted(found - {ROOT}, key=megabytes, reverse=True)[:3]
        text = ", ".join(f"{name} {megabytes(name):.0f}" for name in largest)
        lacks = f"; not here: {', '.join(sorted(missing))}" if missing else ""
        sys.stdout.write(f"{extra or 'none':17} {total:6.0f} MB  {text}{lacks}\n")


if __name__ == "__main__":
    main()
