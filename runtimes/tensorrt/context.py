"""An execution context of an engine, as a lane runs it."""

import logging
from typing import Any

from miniseg_edge.errors import InputError
from miniseg_edge.runtimes.tensorrt.engine import OpenEngine
from miniseg_edge.tensors import TensorSpec

_log = logging.getLogger(__name__)


class Context:
    """A `Network`: one of the engine's execution contexts on one stream. For one thread at a time."""

    def __init__(self, engine: OpenEngine, input_: TensorSpec, output: TensorSpec, stream: int) -> None:
        """Raises: DeviceMemoryError, InferenceError."""
        self._engine, self._input, self._output, self._stream = engine, input_, output, stream
        self._context: Any = engine.context()

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None:
        """As `Network.bind`."""
        context = self._context
        if not context.set_input_shape(self._input.name, shape):
            ranges = self._engine.record.shapes
            wanted = str(self._input) if ranges is None else f"{ranges.minimum} to {ranges.maximum}"
            raise InputError("the engine does not serve this shape", wanted, str(shape))
        for name, address in ((self._input.name, taken), (self._output.name, given)):
            if not context.set_tensor_address(name, address):
                raise self._engine.log.failure("the engine refuses a buffer", name)

    def enqueue(self) -> None:
        """As `Network.enqueue`."""
        if not self._context.execute_async_v3(self._stream):
            raise self._engine.log.failure("the network could not be started", "true")

    def can_be_captured(self) -> bool:
        """As `Network.can_be_captured`; a vendor that compiles at the first use is asked."""
        vendor = self._engine.vendor
        found = not vendor.builds_ahead or bool(self._context.is_stream_capturable(self._stream))
        if not found:
            _log.info("no CUDA graph: %s cannot capture this engine", vendor.title)
        return found

    def release(self) -> None:
        """As `Network.release`."""
        self._context = None
