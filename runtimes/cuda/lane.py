"""A lane: a network with a stream and buffers of its own, for one call at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np

from miniseg_edge.errors import MiniSegError
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.cuda.calls import checked, cuda_runtime, on_device
from miniseg_edge.runtimes.cuda.machine import Gpu
from miniseg_edge.runtimes.cuda.memory import Buffer, release
from miniseg_edge.runtimes.cuda.network import Network
from miniseg_edge.tensors import ANY, TensorSpec

_WARM_UPS = 2
"""Runs in which vendors set up what a graph must not capture."""


class Lane:
    """Copies a batch in, runs the network, copies the answer out; where shapes are fixed, as one CUDA graph.

    Thread-safety: none; a pool hands a lane to one caller at a time.
    """

    def __init__(self, gpu: Gpu, network_on: Callable[[int], Network], input_: TensorSpec, output: TensorSpec) -> None:
        """Takes what opens the network for a stream, which it gets as its address.

        Raises:
            DeviceMemoryError, DeviceLostError, InferenceError.
        """
        self._gpu, self._input, self._output = gpu, input_, output
        self._in: Buffer | None = None
        self._out: Buffer | None = None
        self._stream: Any = None
        self._network: Network | None = None
        self._graph: Any = None
        self._fixed = ANY not in input_.shape
        try:
            with on_device(gpu.index):
                self._open(network_on)
        except MiniSegError:
            self.release()
            raise

    def run(self, values: FloatArray) -> FloatArray | ByteArray:
        """Runs one batch (N, C, H, W) float32; gives a fresh array.

        Raises:
            InputError: a shape outside the network's range.
            DeviceMemoryError, DeviceLostError, InferenceError: the lane must be released.
        """
        with on_device(self._gpu.index):
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
        if self._network is not None:
            self._network.release()
        for buffer in (self._in, self._out):
            if buffer is not None:
                buffer.release()
        release(cuda.cudaStreamDestroy, self._stream)
        self._graph = self._network = self._in = self._out = self._stream = None

    def _open(self, network_on: Callable[[int], Network]) -> None:
        cuda = cuda_runtime()
        self._stream = checked(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        self._network = network_on(int(self._stream))
        if self._fixed:
            self._prepare(self._input.shape)
            for _ in range(_WARM_UPS):
                self._run()
            self._graph = self._captured()

    def _run(self) -> None:
        cuda = cuda_runtime()
        if self._graph is None:
            self._enqueue()
        else:
            checked(cuda.cudaGraphLaunch, self._graph, self._stream)
        checked(cuda.cudaStreamSynchronize, self._stream)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Buffers that are large enough, and the network bound to them."""
        assert self._network is not None  # noqa: S101  _open made it
        taken, given = 4 * int(np.prod(shape)), self._given_bytes(shape)
        self._in = self._at_least(self._in, taken)
        self._out = self._at_least(self._out, given)
        self._network.bind(shape, self._in.device, self._out.device)
        self._bytes = taken, given

    def _at_least(self, buffer: Buffer | None, size_bytes: int) -> Buffer:
        if buffer is not None and buffer.size_bytes >= size_bytes:
            return buffer
        if buffer is not None:
            buffer.release()
        return Buffer(size_bytes, shared=self._gpu.integrated)

    def _enqueue(self) -> None:
        assert self._in is not None and self._out is not None and self._network is not None  # noqa: S101, PT018
        taken, given = self._bytes
        self._in.to_device(taken, self._stream)
        self._network.enqueue()
        self._out.to_host(given, self._stream)

    def _captured(self) -> Any:
        """The whole call as one CUDA graph, or None where the network cannot be part of one."""
        cuda = cuda_runtime()
        assert self._network is not None  # noqa: S101  _open made it
        if not self._network.can_be_captured():
            return None
        # Other threads may allocate meanwhile; a stricter mode would fail their calls.
        checked(cuda.cudaStreamBeginCapture, self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            self._enqueue()
        except MiniSegError:
            cuda.cudaStreamEndCapture(self._stream)  # unchecked: the error that spoiled it is the one to report
            raise
        graph = checked(cuda.cudaStreamEndCapture, self._stream)
        try:
            return checked(cuda.cudaGraphInstantiate, graph, 0)
        finally:
            release(cuda.cudaGraphDestroy, graph)

    def _given_bytes(self, shape: tuple[int, ...]) -> int:
        return int(np.prod(self._answer(shape))) * np.dtype(self._output.dtype).itemsize

    def _answer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self._output.shape[1], *shape[2:])
