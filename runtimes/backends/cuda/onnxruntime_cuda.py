"""ONNX Runtime on an NVIDIA GPU, for machines on which no engine can be built."""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import DeviceMemoryError, MiniSegError, RuntimeUnavailableError
from miniseg_edge.host.dependencies import installed, require
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime, error_of
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.cuda.lane_runtime import LaneRuntime, OnGpu
from miniseg_edge.runtimes.backends.onnxruntime import onnxruntime, session_options
from miniseg_edge.tensors import ANY, TensorSpec

PROVIDER = "CUDAExecutionProvider"
EXTRA = "onnxruntime-cuda"

_CUDA_FAILURE = re.compile(r"CUDA failure (\d+)")
_NO_MEMORY = re.compile(r"failed to allocate memory", re.IGNORECASE)


class OnnxRuntimeCuda(LaneRuntime):
    """An ONNX file on one GPU; each running call has its own session, stream and buffers.

    Parity was judged on a CPU, so the golden slices are replayed when it is opened.
    """

    name = "onnxruntime-cuda"
    reads_models = True

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cuda:0`, ... Raises: MissingDependencyError, RuntimeUnavailableError."""
        available = onnxruntime().get_available_providers()
        if PROVIDER not in available:
            raise RuntimeUnavailableError(
                "this onnxruntime was built without CUDA", expected=PROVIDER, got=", ".join(available),
                remedy='Replace the package onnxruntime: pip install "miniseg-edge[onnxruntime-cuda]"',
            )  # fmt: skip
        return super().devices()

    @property
    def version(self) -> str:
        """The package's version."""
        return str(onnxruntime().__version__)

    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        _load_libraries()
        return OnGpu(functools.partial(Session, files[0], gpu, self.input, self.output), unseen=True)


class Session:
    """A `Network`: an InferenceSession whose kernels all run on the GPU, on one stream. For one thread at a time.

    It runs on ONNX Runtime's own values, to and from which batches are copied on the GPU: with bound addresses, ONNX
    Runtime synchronises on its inputs, which a CUDA graph cannot capture.
    """

    def __init__(self, model: bytes, gpu: Gpu, input_: TensorSpec, output: TensorSpec, stream: int) -> None:
        """Raises: DeviceMemoryError, DeviceLostError, RuntimeUnavailableError, InferenceError."""
        ort = onnxruntime()
        self._gpu, self._input, self._output, self._stream = gpu, input_, output, stream
        options = session_options()
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False  # it allocates memory in the second run, which a graph must not capture
        if ANY not in input_.shape:  # with free sides, shapes are computed on the CPU
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        provider = {
            "device_id": str(gpu.index),
            "user_compute_stream": str(stream),
            "use_tf32": "0",  # on by default, which rounds convolution inputs to 10 bits
            "cudnn_conv_algo_search": "HEURISTIC",  # choices by timing differ between sessions, and so would the bits
        }
        with _cuda_errors("opening the network"):
            self._session = ort.InferenceSession(model, options, providers=[(PROVIDER, provider)], enable_fallback=0)
        if self._session.get_providers()[0] != PROVIDER:  # otherwise it would silently fall back to the CPU
            raise RuntimeUnavailableError(
                f"onnxruntime did not take cuda:{gpu.index}", expected=PROVIDER, got=str(self._session.get_providers()),
                remedy="Its CUDA and cuDNN libraries are missing or too old. The versions are listed in docs/gpu.md.",
            )  # fmt: skip
        self._device = ort.OrtDevice.make("cuda", gpu.index)._get_c_device()
        self._run_options = ort.RunOptions()
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._shape: tuple[int, ...] = ()

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None:
        """As `Network.bind`."""
        self._taken, self._given = taken, given
        if shape != self._shape:
            answer = (shape[0], self._output.shape[1], *shape[2:])
            with _cuda_errors("taking memory"):
                self._batch, self._batches = self._value(shape, self._input.dtype)
                self._answer, self._answers = self._value(answer, self._output.dtype)
            self._shape = shape

    def enqueue(self) -> None:
        """As `Network.enqueue`."""
        self._copy(self._batch.data_ptr(), self._taken, self._batch)
        with _cuda_errors("the network"):
            self._session.run_with_ortvaluevector(
                self._run_options, [self._input.name], self._batches, [self._output.name], self._answers, [self._device]
            )
        self._copy(self._given, self._answer.data_ptr(), self._answer)

    def can_be_captured(self) -> bool:
        """See `Network.can_be_captured`: with fixed shapes every run is the same and entirely on the GPU."""
        return True

    def release(self) -> None:
        """As `Network.release`."""
        self._batch = self._batches = self._answer = self._answers = self._session = None

    def _value(self, shape: tuple[int, ...], dtype: str) -> tuple[Any, Any]:
        """A value on the GPU, and the vector of it that a run takes."""
        value = onnxruntime().OrtValue.ortvalue_from_shape_and_type(
            shape, np.dtype(dtype).type, "cuda", self._gpu.index
        )
        vector = require("onnxruntime.capi._pybind_state", EXTRA).OrtValueVector()
        vector.push_back(value._ortvalue)
        return value, vector

    def _copy(self, target: int, source: int, value: Any) -> None:
        cuda = cuda_runtime()
        size_bytes = value.tensor_size_in_bytes()
        checked(cuda.cudaMemcpyAsync, target, source, size_bytes, cuda.cudaMemcpyKind.cudaMemcpyDefault, self._stream)


@contextmanager
def _cuda_errors(call: str) -> Iterator[None]:
    """Translates ONNX Runtime's messages about the GPU into our usual error types.

    Raises:
        DeviceMemoryError, DeviceLostError, RuntimeUnavailableError, InferenceError.
    """
    try:
        yield
    except Exception as error:  # one exception type for each status
        if (translated := _translated(call, str(error))) is None:
            raise
        raise translated from error


def _translated(call: str, said: str) -> MiniSegError | None:
    short = " ".join(said.split())[:300]
    if (found := _CUDA_FAILURE.search(said)) is not None:
        return error_of(call, cuda_runtime().cudaError_t(int(found[1])).name, short)
    if _NO_MEMORY.search(said):
        return DeviceMemoryError(
            f"{call} ran out of memory", expected="free memory on the GPU", because=short, remedy="Use fewer threads."
        )
    return None


def _load_libraries() -> None:
    """Loads CUDA and cuDNN from NVIDIA's wheels if installed; otherwise the system's loader finds them."""
    preload: Any = getattr(onnxruntime(), "preload_dlls", None)
    if preload is not None and installed("nvidia"):
        preload()
