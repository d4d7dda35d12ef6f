"""An execution context of an engine, as used by a lane."""

from typing import Any

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import InputError
from miniseg_edge.runtimes.backends.cuda.memory import DeviceMemory
from miniseg_edge.runtimes.backends.tensorrt.engine import OpenEngine
from miniseg_edge.tensors import TensorSpec

_log = logger_of(__name__)


class Context:
    """A `Network`: one of the engine's execution contexts on one stream. For one thread at a time."""

    def __init__(self, engine: OpenEngine, input_: TensorSpec, output: TensorSpec, stream: int) -> None:
        """Raises: DeviceMemoryError, DeviceLostError, InferenceError."""
        self._engine, self._input, self._output, self._stream = engine, input_, output, stream
        self._memory: DeviceMemory | None = None
        self._context: Any = engine.context()
        self._shape: tuple[int, ...] = ()

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None:
        """As `Network.bind`."""
        if shape != self._shape:
            self._take(shape)
        for name, address in ((self._input.name, taken), (self._output.name, given)):
            if not self._context.set_tensor_address(name, address):
                raise self._engine.log.failure("the engine refuses a buffer", name)

    def _take(self, shape: tuple[int, ...]) -> None:
        if not self._context.set_input_shape(self._input.name, shape):
            ranges = self._engine.record.shapes
            wanted = str(self._input) if ranges is None else f"{ranges.minimum} to {ranges.maximum}"
            raise InputError("the engine does not support this shape", expected=wanted, got=str(shape))
        if self._engine.memory_is_ours:
            self._give_memory(self._engine.activation_bytes(self._context))
        self._shape = shape

    def _give_memory(self, size_bytes: int) -> None:
        if self._memory is None or self._memory.size_bytes < size_bytes:
            if self._memory is not None:
                self._memory.release()
            self._memory = DeviceMemory(size_bytes)
        if size_bytes:
            self._context.set_device_memory(self._memory.address, self._memory.size_bytes)

    def enqueue(self) -> None:
        """As `Network.enqueue`."""
        if not self._context.execute_async_v3(self._stream):
            raise self._engine.log.failure("the network could not be started", "true")

    def can_be_captured(self) -> bool:
        """See `Network.can_be_captured`; a vendor that compiles at first use is asked."""
        vendor = self._engine.vendor
        found = not vendor.builds_ahead or bool(self._context.is_stream_capturable(self._stream))
        if not found:
            _log.info("no CUDA graph: %s cannot capture this engine", vendor.title)
        return found

    def release(self) -> None:
        """As `Network.release`."""
        held, self._context = [self._context], None
        self._engine.destroy(held)
        if self._memory is not None:
            self._memory.release()
            self._memory = None
