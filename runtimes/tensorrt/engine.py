"""An engine, admitted and opened on one GPU."""

import threading
from typing import Any

from miniseg_edge.engine_record import EngineRecord
from miniseg_edge.runtimes.cuda.calls import on_device
from miniseg_edge.runtimes.cuda.machine import Gpu, system
from miniseg_edge.runtimes.tensorrt.admission import check_header, check_record
from miniseg_edge.runtimes.tensorrt.kernels import KernelCache
from miniseg_edge.runtimes.tensorrt.logger import VendorLog
from miniseg_edge.runtimes.tensorrt.vendors import Vendor


class OpenEngine:
    """The vendor's engine with its runtime, its log and, where the vendor has one, its cache of compiled kernels.

    Thread-safety: contexts may be made from many threads; each is for one thread at a time.
    """

    def __init__(self, vendor: Vendor, record: EngineRecord, data: bytes, gpu: Gpu, cache: KernelCache) -> None:
        """Opens verified bytes; an engine is native code, so nothing else may come here.

        Raises:
            MissingDependencyError: the vendor's package is not installed.
            IncompatibleError: an engine of another vendor, version, system or GPU, or a broken one.
            DeviceMemoryError, InferenceError: the vendor cannot open it.
        """
        trt = vendor.module()
        check_record(vendor, record, version=vendor.version(), system=system(), gpu=gpu)
        self.vendor, self.record, self.gpu, self.log = vendor, record, gpu, VendorLog(trt)
        self._cache = cache
        self._making = threading.Lock()
        with on_device(gpu.index):
            self._open(trt, data)

    def _open(self, trt: Any, data: bytes) -> None:
        vendor, record = self.vendor, self.record
        self._runtime = trt.Runtime(self.log.handle)
        check_header(vendor, self._runtime, self.log, data)
        # Version-compatible engines carry a runtime of their own, which TensorRT runs only where that is allowed.
        if "VERSION_COMPATIBLE" in record.flags:
            self._runtime.engine_host_code_allowed = True
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise self.log.failure(f"{vendor.title} cannot open the engine", "an engine of this version and GPU")
        self._config = self._engine.create_runtime_config() if vendor.caches_kernels else None
        if self._config is not None:
            # Otherwise kernels for a free shape are exchanged in the background, and the same slice gives other bits.
            eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            self._config.dynamic_shapes_kernel_specialization_strategy = eager
            self._cache.attach(self._config)

    def context(self) -> Any:
        """A fresh execution context. Raises: DeviceMemoryError, InferenceError."""
        with self._making:  # the vendors promise nothing for two at once
            if self._config is None:
                found = self._engine.create_execution_context()
            else:
                found = self._engine.create_execution_context(self._config)
        if found is None:
            raise self.log.failure("there is no execution context", "free memory on the GPU")
        return found

    def keep_kernels(self) -> None:
        """Writes down what was compiled so far, if the vendor compiles on this machine."""
        if self._config is not None:
            self._cache.keep()

    def release(self) -> None:
        """Frees the engine; its contexts must be gone."""
        self._config = self._engine = self._runtime = None
        self._cache.detach()
