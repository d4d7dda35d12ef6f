"""An engine, admitted and opened on one GPU."""

import threading
from typing import Any

from miniseg_edge.runtimes.backends.cuda.gpus import Gpu, system
from miniseg_edge.runtimes.backends.cuda.primary import on_device
from miniseg_edge.runtimes.backends.tensorrt.admission import check_record
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord
from miniseg_edge.runtimes.backends.tensorrt.kernels import KernelCache
from miniseg_edge.runtimes.backends.tensorrt.opening import opened
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor


class OpenEngine:
    """The vendor's engine with its runtime, its log and, if the vendor has one, its cache of compiled kernels.

    Attributes:
        memory_is_ours: contexts allocate no activations; `Context` gives them what a shape needs. Otherwise each would
            allocate for the largest shape.

    Thread-safety: contexts may be made and destroyed from many threads; each is for one thread at a time.
    """

    def __init__(self, vendor: Vendor, record: EngineRecord, data: bytes, gpu: Gpu, cache: KernelCache) -> None:
        """Opens verified bytes only, because an engine is native code.

        Raises:
            MissingDependencyError: the vendor's package is not installed.
            IncompatibleError: an engine for another vendor, version, system or GPU, or a broken one.
            RuntimeUnavailableError: the vendor cannot start on this GPU.
            DeviceMemoryError, DeviceLostError, InferenceError: the vendor cannot open it.
        """
        trt = vendor.module()
        check_record(vendor, record, version=vendor.version(), system=system(), gpu=gpu)
        self.vendor, self.record, self.gpu = vendor, record, gpu
        self.memory_is_ours = record.shapes is not None
        self._cache = cache
        # The vendors do not promise thread-safety. The garbage collector may destroy contexts while this thread makes
        # one.
        self._making = threading.RLock()
        with on_device(gpu.index):
            found = opened(vendor, data, version_compatible="VERSION_COMPATIBLE" in record.flags)
            self._runtime, self._engine, self.log = found.runtime, found.engine, found.log
            self._config = self._configured(trt) if vendor.caches_kernels else None

    def _configured(self, trt: Any) -> Any:
        config = self._engine.create_runtime_config()
        # Otherwise kernels for a free shape are replaced in the background, and the same slice gives other bits.
        eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        config.dynamic_shapes_kernel_specialization_strategy = eager
        config.set_execution_context_allocation_strategy(self._strategy(trt))
        self._cache.attach(config)
        return config

    def _strategy(self, trt: Any) -> Any:
        strategies = trt.ExecutionContextAllocationStrategy
        return strategies.USER_MANAGED if self.memory_is_ours else strategies.STATIC

    def context(self) -> Any:
        """A new execution context. Raises: DeviceMemoryError, DeviceLostError, InferenceError."""
        with self._making:
            how = self._strategy(self.vendor.module()) if self._config is None else self._config
            found = self._engine.create_execution_context(how)
        if found is None:
            raise self.log.failure("there is no execution context", "free memory on the GPU")
        return found

    def destroy(self, held: list[Any]) -> None:
        """Releases an execution context, under the lock under which it was made.

        Args:
            held: its only element, so that this is the last reference.
        """
        with self._making:
            held.clear()

    def activation_bytes(self, context: Any) -> int:
        """Memory that a context needs for its current shapes; for the largest ones if it does not report that."""
        return int(context.update_device_memory_size_for_shapes()) or int(
            self._engine.get_device_memory_size_for_profile_v2(0)
        )

    def keep_kernels(self) -> None:
        """Saves what was compiled so far, if the vendor compiles on this machine."""
        if self._config is not None:
            self._cache.keep()

    def release(self) -> None:
        """Frees the engine; its contexts must have been freed. From any thread."""
        with on_device(self.gpu.index):
            self._config = None
            self._cache.detach()
            self._engine = None
            self._runtime = None
