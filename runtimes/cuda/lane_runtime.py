"""What the runtimes on NVIDIA GPUs have in common: lanes from a pool, and what happens before the first slice."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from miniseg_edge.bundle import Bundle
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.cuda.lane import Lane
from miniseg_edge.runtimes.cuda.machine import Gpu, gpus
from miniseg_edge.runtimes.cuda.network import Network
from miniseg_edge.runtimes.cuda.pool import Pool
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.runtimes.replay import replay


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class OnGpu:
    """An artefact as a vendor opened it on a GPU.

    Attributes:
        network_on: opens the network for a stream, by its address.
        unseen: nobody has seen it run on this GPU, so the golden slices are replayed.
        keep: called once it has run; keeps what was compiled for the next start.
        release: called when the last lane is gone.
    """

    network_on: Callable[[int], Network]
    unseen: bool
    keep: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing


class LaneRuntime(Runtime):
    """Base of the runtimes on one GPU; each call under way has a lane of its own. Vendors implement `_open_on`."""

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cuda:0`, ... Raises: MissingDependencyError, RuntimeUnavailableError."""
        return tuple(f"cuda:{gpu.index}" for gpu in gpus())

    def close(self) -> None:
        """Releases each lane when its call is done, then the network; may be called twice."""
        super().close()
        self._lanes.close()

    @abstractmethod
    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        """Opens the artefact from verified bytes. What it gives must not hold this object, which may be forgotten."""

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        gpu = next(gpu for gpu in gpus() if f"cuda:{gpu.index}" == self.device)
        opened = self._open_on(gpu, bundle, files)
        input_, output = self.input, self.output
        self._lanes = Pool(lambda: Lane(gpu, opened.network_on, input_, output), opened.release)
        weakref.finalize(self, self._lanes.close)  # for whoever forgets: GPU memory knows no garbage collector
        try:
            with self._lanes.borrowed():
                pass  # memory, kernels and the CUDA graph are there before the first slice comes
            if opened.unseen:
                replay(self, bundle)
            opened.keep()
        except Exception:
            self._lanes.close()
            raise

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        with self._lanes.borrowed() as lane:
            return lane.run(values)
