"""A peer: made once from the bundle's own weights, then opened in the process that measures it.

Nothing of `miniseg_edge.export` is used: a peer uses the vendor's own tools with their defaults. `docs/benchmark.md`
says exactly how each is made.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.benchmarks.subjects.interface import Subject
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Manifest, Preprocessing
from miniseg_edge.errors import InferenceError
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.segmenter.pipeline import in_flight
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, network_input, resized


@dataclass(frozen=True)
class PeerFiles:
    """Where the peers are made, and from what.

    Attributes:
        bundle: opened; its reference weights and preprocessing are used.
        bundle_path: the same on disk.
        folder: where the models go.
        calibration: slices for the INT8 peers.
        threads: of each runtime, or None.
    """

    bundle: Bundle
    bundle_path: Path
    folder: Path
    calibration: Sequence[Path]
    threads: int | None


@dataclass(frozen=True)
class Peer:
    """A row of `PEERS`.

    Attributes:
        name: in reports; unique.
        runtime, precision: for reports.
        how: the vendor's own tools that make it, as text.
        make: returns the path of the model. Raises whatever its vendor raises.
        open: returns the peer's subject, for slices of a bundle, with a number of streams. Raises whatever its vendor
            raises.
        on_gpu: whether it needs one.
    """

    name: str
    runtime: str
    precision: str
    how: str
    make: Callable[[PeerFiles], Path]
    open: Callable[[Configuration, Bundle, int], "PeerSubject"]
    on_gpu: bool = False

    def configuration(self, files: PeerFiles) -> Configuration:
        """Makes the peer. Raises: as `make`."""
        source = str(self.make(files))
        return Configuration(self.name, self.runtime, self.precision, source, self.how, files.threads, peer=self.name)


def published_input(slice_: ByteArray, preprocessing: Preprocessing, in_channels: int) -> FloatArray:
    """(H, W) or (H, W, in_channels) uint8 -> (1, in_channels, *size) float32: normalised, then resized."""
    statistics = preprocessing.statistics
    grey = slice_.astype(np.float32) / np.float32(preprocessing.scale)
    image = network_input((grey - np.float32(statistics.mean)) / np.float32(statistics.std), preprocessing.size)
    return np.ascontiguousarray(np.broadcast_to(image, (1, in_channels, *image.shape[2:])))


class PeerSubject(Subject):
    """The published evaluation around another engine: normalise, resize, three channels; argmax."""

    def __init__(self, manifest: Manifest, streams: int) -> None:
        self.preprocessing = manifest.preprocessing
        self.in_channels, self.classes = manifest.network.in_channels, manifest.network.classes
        self.streams = streams

    def threads_of_a_stream(self, threads: int | None) -> int:
        """Threads for an engine that has no default: its share of the requested ones, or of this process's cores."""
        return max(1, (threads or usable_cores()) // self.streams)

    def prepare(self, slice_: ByteArray) -> tuple[FloatArray, tuple[int, int]]:
        """As `Subject.prepare`."""
        image = published_input(slice_, self.preprocessing, self.in_channels)
        return image, (slice_.shape[0], slice_.shape[1])

    def infer(self, prepared: tuple[FloatArray, tuple[int, int]]) -> FloatArray:
        """As `Subject.infer`."""
        return self.run(prepared[0])

    def finish(self, prepared: tuple[FloatArray, tuple[int, int]], output: FloatArray) -> ByteArray:
        """See `Subject.finish`. Raises: InferenceError if the engine does not return a map per class."""
        if output.shape[:2] != (1, self.classes):
            raise InferenceError(
                "the peer returned maps of an unexpected shape",
                expected=f"1 x {self.classes}",
                got=f"a shape of {output.shape}",
            )
        maps = [resized(one, prepared[1]) for one in output[0]]
        if len(maps) == 2:  # as a careful user writes it; argmax would cost 3 ms
            return np.asarray(maps[1] > maps[0], dtype=np.uint8)
        return np.asarray(np.argmax(maps, axis=0), dtype=np.uint8)

    def segment_many(self, slices: Iterable[ByteArray]) -> Iterator[ByteArray]:
        """With a thread per stream."""
        return in_flight(self.segment, slices, self.streams)

    @abstractmethod
    def run(self, image: FloatArray) -> FloatArray:
        """Normalised (1, in_channels, H, W) float32 -> logits (1, C, H, W) float32."""
