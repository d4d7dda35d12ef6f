"""File names that mean the same file on every system. Names that a system refuses or changes are invalid."""

from collections import Counter
from collections.abc import Iterable

_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
"""Windows opens a device for these, in any folder and with any suffix. Source: Microsoft, "Naming Files, Paths, and
Namespaces"."""

_SEPARATORS = frozenset('\\/:*?"<>|')


def is_portable(name: str) -> bool:
    """Whether a file or folder name, without its path, means the same on Linux, macOS and Windows."""
    if name in ("", ".", "..") or not name.isprintable() or _SEPARATORS & set(name):
        return False
    device = name.partition(".")[0].rstrip(" ").lower()
    return name[-1] not in " ." and device not in _DEVICES  # Windows strips trailing dots and spaces


def same_elsewhere(names: Iterable[str]) -> list[str]:
    """Names that differ from another one only in case, which is one file on Windows and macOS. Sorted."""
    everything = list(names)
    counts = Counter(name.casefold() for name in everything)
    return sorted(name for name in everything if counts[name.casefold()] > 1)
