"""Shared by the runtimes on NVIDIA GPUs: lanes from a pool, and the work before the first slice."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.errors import IncompatibleError, InferenceError, MiniSegError, RuntimeUnavailableError
from miniseg_edge.runtimes.backends.cuda.gpus import CUDA, Gpu, gpu_named, gpus
from miniseg_edge.runtimes.backends.cuda.lane import Lane
from miniseg_edge.runtimes.backends.cuda.network import Network
from miniseg_edge.runtimes.backends.cuda.primary import on_device
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.runtimes.backends.pool import Pool
from miniseg_edge.runtimes.backends.replay import replay
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

MOST_LANES = 8
"""Default number of concurrent calls on a GPU: each needs buffers and the network's activations."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class OnGpu:
    """An artefact as opened by a vendor on a GPU.

    Attributes:
        network_on: opens the network for a stream, given by its address.
        unseen: whether it was never run on this GPU, so that the golden slices must be replayed.
        keep: called after the first run; caches what was compiled for the next start.
        release: called when the last lane is released.
    """

    network_on: Callable[[int], Network]
    unseen: bool
    keep: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing


class LaneRuntime(Runtime):
    """Base class of the runtimes on one GPU; each running call has its own lane. Vendors implement `_open_on`."""

    bound_library = CUDA
    streams_for_both = MOST_LANES  # a lane is created when a call finds none free

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cuda:0`, ... Raises: MissingDependencyError, RuntimeUnavailableError, ForkedError."""
        return tuple(gpu.device for gpu in gpus())

    @classmethod
    def mismatch(cls, artifact: Artifact, device: str) -> str | None:
        """Asks the vendor, then CUDA whether the GPU accepts this process; this initialises the GPU."""
        try:
            gpu = gpu_named(device)
            cls._check(artifact, gpu)
            with on_device(gpu.index):
                return None
        except (IncompatibleError, RuntimeUnavailableError, InferenceError) as error:
            return error.summary
        except MiniSegError as error:
            return str(error)

    @classmethod
    def _check(cls, artifact: Artifact, gpu: Gpu) -> None:
        """Refuses an artefact that this GPU cannot run, judged by its record. Raises: IncompatibleError."""

    def close(self) -> None:
        """Releases each lane when its call is done, then the network; may be called twice."""
        super().close()
        self._lanes.close()

    @abstractmethod
    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        """Opens the artefact from verified bytes.

        The result must not reference this object, which may be garbage-collected.
        """

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        gpu = gpu_named(self.device)
        opened = self._open_on(gpu, bundle, files)
        input_, output = self.input, self.output
        self._lanes = Pool(lambda: Lane(gpu, opened.network_on, input_, output), opened.release, self.streams)
        weakref.finalize(self, self._lanes.close)  # if the user forgets to close: GPU memory has no garbage collector
        try:
            with self._lanes.borrowed():
                pass  # allocates memory, kernels and the CUDA graph before the first slice
            if opened.unseen:
                replay(self, bundle)
            opened.keep()
        except BaseException:  # people press Ctrl-C
            self._lanes.close()
            raise

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        with self._lanes.borrowed() as lane:
            return lane.run(values)
