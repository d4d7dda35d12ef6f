"""The runtimes `tensorrt` and `tensorrt-rtx`: engines on NVIDIA GPUs, without torch."""

import functools
from typing import ClassVar

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.host.files import sha256_of
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu, system
from miniseg_edge.runtimes.backends.cuda.lane_runtime import LaneRuntime, OnGpu
from miniseg_edge.runtimes.backends.tensorrt.admission import check_record, must_replay
from miniseg_edge.runtimes.backends.tensorrt.context import Context
from miniseg_edge.runtimes.backends.tensorrt.engine import OpenEngine
from miniseg_edge.runtimes.backends.tensorrt.engine_record import engine_of, engine_record
from miniseg_edge.runtimes.backends.tensorrt.kernels import KernelCache, cache_folder
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT, TENSORRT_RTX, Vendor


class TensorRt(LaneRuntime):
    """An engine on one GPU; each running call has its own execution context, stream and buffers."""

    name = "tensorrt"
    runs_code = True
    vendor: ClassVar[Vendor] = TENSORRT

    @classmethod
    def _check(cls, artifact: Artifact, gpu: Gpu) -> None:
        if (record := engine_record(artifact)) is not None:
            check_record(cls.vendor, record, version=cls.vendor.version(), system=system(), gpu=gpu)

    @property
    def version(self) -> str:
        """The vendor's full version."""
        return self.vendor.version()

    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        record, engine_sha256 = engine_of(self.artifact), sha256_of(files[0])
        cache = KernelCache(cache_folder(engine_sha256), engine_sha256, self.version, gpu)
        engine = OpenEngine(self.vendor, record, files[0], gpu, cache)
        context_on = functools.partial(Context, engine, self.input, self.output)
        return OnGpu(
            context_on, must_replay(record, version=self.version, gpu=gpu), engine.keep_kernels, engine.release
        )


class TensorRtForRtx(TensorRt):
    """The same with TensorRT for RTX, which compiles its kernels on the machine that opens the engine."""

    name = "tensorrt-rtx"
    vendor = TENSORRT_RTX
