"""A lane: an execution context with a stream and buffers of its own, for one call at a time."""

import logging
from typing import Any

import numpy as np

from miniseg_edge.errors import InputError, MiniSegError
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.tensorrt.cuda import checked, cuda_runtime, on_device
from miniseg_edge.runtimes.tensorrt.engine import OpenEngine
from miniseg_edge.runtimes.tensorrt.memory import Buffer, release
from miniseg_edge.tensors import ANY, TensorSpec

_log = logging.getLogger(__name__)


class Lane:
    """Copies a batch in, runs the network, copies the answer out; where shapes are fixed, as one CUDA graph.

    Thread-safety: none; a pool hands a lane to one caller at a time.
    """

    def __init__(self, engine: OpenEngine, input_: TensorSpec, output: TensorSpec) -> None:
        """Raises: DeviceMemoryError, DeviceLostError, InferenceError."""
        self._engine, self._input, self._output = engine, input_, output
        self._in: Buffer | None = None
        self._out: Buffer | None = None
        self._stream: Any = None
        self._context: Any = None
        self._graph: Any = None
        self._fixed = ANY not in input_.shape
        try:
            with on_device(engine.gpu.index):
                self._open()
        except MiniSegError:
            self.release()
            raise

    def run(self, values: FloatArray) -> FloatArray | ByteArray:
        """Runs one batch (N, C, H, W) float32; gives a fresh array.

        Raises:
            InputError: a shape outside the engine's range.
            DeviceMemoryError, DeviceLostError, InferenceError: the lane must be released.
        """
        with on_device(self._engine.gpu.index):
            if not self._fixed:
                self._prepare(values.shape)
            assert self._in is not None and self._out is not None  # noqa: S101, PT018  _prepare made them
            np.copyto(self._in.array(values.shape, "float32"), values)
            self._run()
        found: FloatArray | ByteArray = self._out.array(self._answer(values.shape), self._output.dtype).copy()
        return found

    def release(self) -> None:
        """Frees what the lane holds on the GPU; may be called twice."""
        cuda = cuda_runtime()
        release(cuda.cudaGraphExecDestroy, self._graph)
        self._context = None
        for buffer in (self._in, self._out):
            if buffer is not None:
                buffer.release()
        release(cuda.cudaStreamDestroy, self._stream)
        self._graph = self._in = self._out = self._stream = None

    def _open(self) -> None:
        cuda = cuda_runtime()
        self._stream = checked(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        self._context = self._engine.context()
        if self._fixed:
            self._prepare(self._input.shape)
            self._run()  # the first run sets up what a graph must not capture
            self._graph = self._captured()

    def _run(self) -> None:
        cuda = cuda_runtime()
        if self._graph is None:
            self._enqueue()
        else:
            checked(cuda.cudaGraphLaunch, self._graph, self._stream)
        checked(cuda.cudaStreamSynchronize, self._stream)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Buffers that are large enough, and their addresses and the shape in the context."""
        context = self._context
        if not context.set_input_shape(self._input.name, shape):
            ranges = self._engine.record.shapes
            wanted = str(self._input) if ranges is None else f"{ranges.minimum} to {ranges.maximum}"
            raise InputError("the engine does not serve this shape", wanted, str(shape))
        taken, given = 4 * int(np.prod(shape)), self._given_bytes(shape)
        self._in = self._at_least(self._in, taken)
        self._out = self._at_least(self._out, given)
        for name, buffer in ((self._input.name, self._in), (self._output.name, self._out)):
            if not context.set_tensor_address(name, buffer.device):
                raise self._engine.log.failure("the engine refuses a buffer", name)
        self._bytes = taken, given

    def _at_least(self, buffer: Buffer | None, size_bytes: int) -> Buffer:
        if buffer is not None and buffer.size_bytes >= size_bytes:
            return buffer
        if buffer is not None:
            buffer.release()
        return Buffer(size_bytes, shared=self._engine.gpu.integrated)

    def _enqueue(self) -> None:
        assert self._in is not None and self._out is not None  # noqa: S101, PT018  _prepare made them
        taken, given = self._bytes
        self._in.to_device(taken, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise self._engine.log.failure("the network could not be started", "true")
        self._out.to_host(given, self._stream)

    def _captured(self) -> Any:
        """The whole call as one CUDA graph, or None where the vendor says that this engine cannot be captured."""
        cuda = cuda_runtime()
        if not self._engine.can_be_captured(self._context, int(self._stream)):
            _log.info("no CUDA graph: %s cannot capture this engine", self._engine.vendor.title)
            return None
        # Other threads may allocate meanwhile; a stricter mode would fail their calls.
        checked(cuda.cudaStreamBeginCapture, self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            self._enqueue()
        finally:
            graph = checked(cuda.cudaStreamEndCapture, self._stream)
        try:
            return checked(cuda.cudaGraphInstantiate, graph, 0)
        finally:
            release(cuda.cudaGraphDestroy, graph)

    def _given_bytes(self, shape: tuple[int, ...]) -> int:
        return int(np.prod(self._answer(shape))) * np.dtype(self._output.dtype).itemsize

    def _answer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self._output.shape[1], *shape[2:])
