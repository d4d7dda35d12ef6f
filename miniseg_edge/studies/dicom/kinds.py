"""Kinds of headers: headers of one kind only differ in their slice's identity and position.

A classic series has one kind. Most of the time to open it would be spent on converting the same bytes of each header to
the same values, so everything that only depends on the kind is computed once.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from miniseg_edge.studies.dicom.file import Header

Found = TypeVar("Found")


def once_per_kind(find: Callable[[Header], Found]) -> Callable[[Header], Found]:
    """The same function, called with the first header of each kind, and with every header without a kind.

    Args:
        find: returns the same for all headers of a kind; exceptions are not cached.

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
