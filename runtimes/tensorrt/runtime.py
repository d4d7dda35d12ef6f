"""The runtimes `tensorrt` and `tensorrt-rtx`: engines on NVIDIA GPUs, without torch."""

import functools
from typing import ClassVar

from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import BundleError, IncompatibleError
from miniseg_edge.files import sha256_of
from miniseg_edge.manifest import Artifact
from miniseg_edge.runtimes.cuda.lane_runtime import LaneRuntime, OnGpu
from miniseg_edge.runtimes.cuda.machine import Gpu, gpus, system
from miniseg_edge.runtimes.tensorrt.admission import check_record, must_replay
from miniseg_edge.runtimes.tensorrt.context import Context
from miniseg_edge.runtimes.tensorrt.engine import OpenEngine
from miniseg_edge.runtimes.tensorrt.kernels import KernelCache, cache_folder
from miniseg_edge.runtimes.tensorrt.vendors import TENSORRT, TENSORRT_RTX, Vendor


class TensorRt(LaneRuntime):
    """An engine on one GPU; each call under way has an execution context, a stream and buffers of its own."""

    name = "tensorrt"
    vendor: ClassVar[Vendor] = TENSORRT

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

    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        record = self.artifact.engine
        if record is None:
            raise BundleError("the artefact has no engine record", "one from miniseg-export", "none")
        cache = KernelCache(cache_folder(bundle.manifest.digest), sha256_of(files[0]), self.version, gpu)
        engine = OpenEngine(self.vendor, record, files[0], gpu, cache)
        context_on = functools.partial(Context, engine, self.input, self.output)
        return OnGpu(context_on, must_replay(self.vendor, record, gpu), engine.keep_kernels, engine.release)


class TensorRtForRtx(TensorRt):
    """The same with TensorRT for RTX, which compiles its kernels on the machine that opens the engine."""

    name = "tensorrt-rtx"
    vendor = TENSORRT_RTX
