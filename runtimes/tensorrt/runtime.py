"""The runtimes `tensorrt` and `tensorrt-rtx`: engines on NVIDIA GPUs, without torch."""

import functools
import weakref
from typing import ClassVar

from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import BundleError, IncompatibleError
from miniseg_edge.files import sha256_of
from miniseg_edge.manifest import Artifact
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.cuda.lane import Lane
from miniseg_edge.runtimes.cuda.machine import gpus, system
from miniseg_edge.runtimes.cuda.pool import Pool
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.runtimes.replay import replay
from miniseg_edge.runtimes.tensorrt.admission import check_record, must_replay
from miniseg_edge.runtimes.tensorrt.context import Context
from miniseg_edge.runtimes.tensorrt.engine import OpenEngine
from miniseg_edge.runtimes.tensorrt.kernels import KernelCache, cache_folder
from miniseg_edge.runtimes.tensorrt.vendors import TENSORRT, TENSORRT_RTX, Vendor


class TensorRt(Runtime):
    """An engine on one GPU; each call under way has an execution context, a stream and buffers of its own."""

    name = "tensorrt"
    vendor: ClassVar[Vendor] = TENSORRT

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cuda:0`, ... Raises: MissingDependencyError, RuntimeUnavailableError."""
        return tuple(f"cuda:{gpu.index}" for gpu in gpus())

    @classmethod
    def mismatch(cls, artifact: Artifact) -> str | None:
        """Holds the engine's record against the first GPU. Raises: as `devices`."""
        if artifact.engine is None:
            return None
        try:
            check_record(cls.vendor, artifact.engine, version=cls.vendor.version(), system=system(), gpu=gpus()[0])
        except IncompatibleError as error:
            return f"{error.problem}, {error.got}"
        return None

    @property
    def version(self) -> str:
        """The vendor's full version."""
        return self.vendor.version()

    def close(self) -> None:
        """Releases each context when its call is done, then the engine; may be called twice."""
        super().close()
        self._lanes.close()

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        record = self.artifact.engine
        if record is None:
            raise BundleError("the artefact has no engine record", "one from miniseg-export", "none")
        gpu = next(gpu for gpu in gpus() if f"cuda:{gpu.index}" == self.device)
        folder = cache_folder(bundle.manifest.digest)
        cache = KernelCache(folder, sha256_of(files[0]), self.version, gpu)
        engine = OpenEngine(self.vendor, record, files[0], gpu, cache)
        input_, output = self.input, self.output
        network_on = functools.partial(Context, engine, input_, output)
        self._lanes = Pool(lambda: Lane(gpu, network_on, input_, output), engine.release)
        weakref.finalize(self, self._lanes.close)  # for whoever forgets: GPU memory knows no garbage collector
        try:
            with self._lanes.borrowed():
                pass  # memory, kernels and the CUDA graph are there before the first slice comes
            if must_replay(self.vendor, record, gpu):
                replay(self, bundle)
            engine.keep_kernels()
        except Exception:
            self._lanes.close()
            raise

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        with self._lanes.borrowed() as lane:
            return lane.run(values)


class TensorRtForRtx(TensorRt):
    """The same with TensorRT for RTX, which compiles its kernels on the machine that opens the engine."""

    name = "tensorrt-rtx"
    vendor = TENSORRT_RTX
