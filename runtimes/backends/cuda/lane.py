"""A lane: a network with its own stream and buffers, for one call at a time."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import DeviceLostError, MiniSegError
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.cuda.memory import Buffer, release
from miniseg_edge.runtimes.backends.cuda.network import Network
from miniseg_edge.runtimes.backends.cuda.primary import on_device
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import ANY, TensorSpec

_log = logger_of(__name__)

_WARM_UPS = 2
"""Warm-up runs, in which vendors do setup work that a graph must not capture."""


class Lane:
    """Copies a batch in, runs the network, copies the result out; with fixed shapes as one CUDA graph.

    Not thread-safe; a pool hands a lane to one caller at a time.
    """

    def __init__(self, gpu: Gpu, network_on: Callable[[int], Network], input_: TensorSpec, output: TensorSpec) -> None:
        """Takes a function that opens the network for a stream, given by its address.

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
        except BaseException:  # vendors raise other exceptions, and users press Ctrl-C
            self.release()
            raise

    def run(self, values: FloatArray) -> FloatArray | ByteArray:
        """Runs one batch (N, C, H, W) float32; returns a new array.

        Raises:
            InputError: the shape is outside the network's range.
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
        """Frees the lane's GPU resources, from any thread; may be called twice.

        Failures are logged: the GPU may be lost, and the error that lost it is the one to report.
        """
        cuda = cuda_runtime()
        with ExitStack() as after:  # all are released even if one fails, in reverse order
            after.enter_context(_logged())
            after.enter_context(on_device(self._gpu.index))
            after.callback(release, cuda.cudaStreamDestroy, self._stream)
            for held in (self._out, self._in, self._network):
                if held is not None:
                    after.callback(held.release)
            after.callback(release, cuda.cudaGraphExecDestroy, self._graph)
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
        """Buffers that are large enough, with the network bound to them."""
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
        """The whole call as one CUDA graph; None if that is impossible, which only costs time.

        Raises:
            DeviceLostError.
        """
        assert self._network is not None  # noqa: S101  _open made it
        if not self._network.can_be_captured():
            return None
        try:
            return self._instantiated()
        except DeviceLostError:
            raise
        except MiniSegError as error:
            _log.warning("no CUDA graph, so each call is launched operator by operator: %s", error)
            cuda_runtime().cudaGetLastError()  # otherwise the next caller would get it
            self._run()  # the stream works without, or this error is the one to report
            return None

    def _instantiated(self) -> Any:
        cuda = cuda_runtime()
        with _no_collection():
            # Other threads may allocate meanwhile; a stricter mode would make their calls fail.
            mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
            checked(cuda.cudaStreamBeginCapture, self._stream, mode)
            try:
                self._enqueue()
            except BaseException:
                cuda.cudaStreamEndCapture(self._stream)  # unchecked: the error that invalidated it is the one to report
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


_collecting = threading.Lock()
_captures = 0
_was_on = False


@contextmanager
def _no_collection() -> Iterator[None]:
    """Disables the garbage collector during a capture: freeing objects would call CUDA and invalidate the graph."""
    global _captures, _was_on  # noqa: PLW0603  the collector is the process's own
    with _collecting:
        if _captures == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _captures += 1
    try:
        yield
    finally:
        with _collecting:
            _captures -= 1
            if _captures == 0 and _was_on:
                gc.enable()


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of ours, or of a vendor
        _log.warning("not released: %s", error)
