"""The interface that the scenarios time: a slice in three stages."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from miniseg_edge.slices.preprocessing import ByteArray


class Subject(ABC):
    """What the scenarios time."""

    @abstractmethod
    def prepare(self, slice_: ByteArray) -> Any:
        """(H, W) uint8 grey -> the input of `infer`."""

    @abstractmethod
    def infer(self, prepared: Any) -> Any:
        """The network itself, transfers included."""

    @abstractmethod
    def finish(self, prepared: Any, output: Any) -> ByteArray:
        """The mask (H, W) uint8 in the slice's size."""

    def segment(self, slice_: ByteArray) -> ByteArray:
        """All three stages."""
        prepared = self.prepare(slice_)
        return self.finish(prepared, self.infer(prepared))

    @abstractmethod
    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """Many slices at once, masks in order."""
