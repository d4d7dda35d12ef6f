"""Kinds of headers: those that differ in their slice's identity and position alone.

A classic series is of one kind. Most of the time that opening it takes would go into turning the same bytes of each
header into the same values, so what depends on the kind alone is worked out once.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from miniseg_edge.studies.dicom.file import Header

Found = TypeVar("Found")


def once_per_kind(find: Callable[[Header], Found]) -> Callable[[Header], Found]:
    """The same function, called with the first header of each kind, and with every header that is of no kind.

    Args:
        find: gives the same for all headers of a kind; what it raises is not remembered.

    Thread-safety: for one thread.
    """
    known: dict[Hashable, Found] = {}

    def found(header: Header) -> Found:
        if header.kind is None:
            return find(header)
        if header.kind not in known:
            known[header.kind] = find(header)
        return known[header.kind]

    return found
