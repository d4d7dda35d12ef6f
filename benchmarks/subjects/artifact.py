"""An artefact of a bundle, through the same API that applications use."""

from collections.abc import Iterable, Iterator

from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray


class ArtifactSubject(Subject):
    """A Segmenter as a subject."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter

    def prepare(self, slice_: ByteArray) -> PreparedSlice:
        """As `Subject.prepare`."""
        return self.segmenter.prepare(slice_)

    def infer(self, prepared: PreparedSlice) -> FloatArray | ByteArray:
        """As `Subject.infer`."""
        return self.segmenter.runtime.infer(prepared.network_input)

    def finish(self, prepared: PreparedSlice, output: FloatArray | ByteArray) -> ByteArray:
        """As `Subject.finish`."""
        return self.segmenter.finish(prepared, output).mask

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """See `Subject.segment_many`."""
        return (result.mask for result in self.segmenter.segment_many(slices))
