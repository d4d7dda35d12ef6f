"""What the headers of a series have in common, converted once.

Most of the time that opening a series takes goes into turning the same bytes of each header, such as an orientation,
into the same numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from miniseg_edge.studies.dicom_file import Dataset

_VRS = frozenset({"CS", "DS", "IS", "SS", "UI", "US"})
"""Whose values depend on nothing but their own bytes; text depends on the file's character set."""


class SharedElements:
    """Converted elements by their bytes; for one thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}

    @contextmanager
    def lent_to(self, header: Dataset) -> Iterator[None]:
        """Inside, the header has what others converted; what it converts itself there is kept for the next."""
        own = []
        for raw in list(header.values()):
            if raw.is_raw and raw.VR in _VRS:
                key = (raw.tag, raw.VR, raw.is_little_endian, raw.value)
                if key in self._known:
                    header[raw.tag] = self._known[key]
                else:
                    own.append(key)
        yield
        for key in own:
            if not (element := header.get_item(key[0])).is_raw:
                self._known[key] = element
