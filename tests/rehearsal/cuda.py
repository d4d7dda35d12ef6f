"""CUDA on a machine without a GPU: what our code asks of it, on the host's memory. For tests alone.

It replaces no test on hardware. Enumerations, error texts and signatures are those of `cuda-bindings`
(`test_honesty.py`). What it does is what the vendor's documents say, each in its place:

- The runtime works in the context that is current in the thread, and in the primary context of the thread's GPU, the
  first, where none is: "Runtime API / Driver API interactions" and `cudaSetDevice`, CUDA 13.
- A stream that is used in another context is an invalid handle: `cuLaunchKernel` and "Multiple devices" in the
  programming guide, CUDA 13.
- A capture is spoiled by a call that is not allowed in it, such as `cudaMalloc`, `cudaFree`, `cudaStreamSynchronize`:
  "Prohibited and unhandled operations" in the programming guide; `cudaStreamEndCapture` then gives
  `cudaErrorStreamCaptureInvalidated`.
- After an error that leaves the process inconsistent every call gives the same error: `cudaErrorIllegalAddress` and
  similar ones in the description of `cudaError_t`.
"""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

from cuda.bindings import driver as real_driver
from cuda.bindings import runtime as real_runtime


@dataclass(frozen=True)
class FakeGpu:
    """What `cudaGetDeviceProperties` says. The defaults are a GeForce RTX 4090's (its data sheet)."""

    name: str = "NVIDIA GeForce RTX 4090"
    major: int = 8
    minor: int = 9
    multiProcessorCount: int = 128
    totalGlobalMem: int = 25_393_692_672
    integrated: int = 0


ORIN_NX = FakeGpu("Orin", 8, 7, 8, 16_000_000_000, 1)
"""An Orin NX 16GB: the name that all modules of its family have (issue threads of jetson-inference, JetPack 6)."""


@dataclass(eq=False)
class Context:
    """A CUDA context of a GPU."""

    device: int
    primary: bool

    def __int__(self) -> int:
        return id(self)


@dataclass(eq=False)
class Stream:
    """In a capture it holds what was enqueued; otherwise things happen at once, which the order of a stream allows."""

    context: Context
    captured: "list[Callable[[], None]] | None" = None
    captured_by: int = 0
    spoiled: bool = False

    def __int__(self) -> int:
        return id(self)


@dataclass(eq=False)
class Graph:
    """What a capture gave; both the graph and what can be launched."""

    context: Context
    work: list[Callable[[], None]]


@dataclass(eq=False)
class _Thread(threading.local):
    stack: list[Context] = field(default_factory=list)
    last: int = 0


class FakeCuda:
    """A machine's GPUs, as `cuda.bindings.runtime` and `cuda.bindings.driver` show them.

    Attributes:
        initialised: GPUs that have a primary context.
        held: what was taken and not given back: streams, buffers, graphs, by their handle.
        misused: what was used or released under another context than the one it was made under.
        calls: names of the functions that were called, in order.
    """

    def __init__(self, gpus: tuple[FakeGpu, ...] = (FakeGpu(),)) -> None:
        self.gpus = gpus
        self.initialised: set[int] = set()
        self.held: dict[int, tuple[str, Context, Any]] = {}
        self.misused: list[str] = []
        self.calls: list[str] = []
        self.sticky = 0
        self._faults: dict[str, list[int]] = {}
        self._primaries = tuple(Context(index, True) for index in range(len(gpus)))
        self._thread = _Thread()

    def fail(self, function: str, status: int, times: int = 1_000_000) -> None:
        """Has a function give a status for so many calls."""
        self._faults[function] = [status, times]

    def lose(self, status: int = 700) -> None:
        """From now on every call gives a sticky error: 700 is cudaErrorIllegalAddress."""
        self.sticky = status

    def modules(self) -> dict[str, ModuleType]:
        """What `import` is to find."""
        runtime: Any = ModuleType("cuda.bindings.runtime")
        driver: Any = ModuleType("cuda.bindings.driver")
        for name in ("cudaError_t", "cudaMemcpyKind", "cudaStreamCaptureMode", "cudaHostAllocMapped"):
            setattr(runtime, name, getattr(real_runtime, name))
        runtime.cudaStreamNonBlocking = real_runtime.cudaStreamNonBlocking
        runtime.cudaGetErrorString = real_runtime.cudaGetErrorString
        driver.CUresult = real_driver.CUresult
        for name in (name for name in dir(self) if name.startswith("cu") and name[2] in "dICD"):
            if name.startswith("cuda"):
                setattr(runtime, name, self._called(name, real_runtime.cudaError_t))
            elif callable(getattr(self, name)):
                setattr(driver, name, self._called(name, real_driver.CUresult))
        return {"cuda.bindings.runtime": runtime, "cuda.bindings.driver": driver}

    def _called(self, name: str, statuses: Any) -> Callable[..., tuple[Any, ...]]:
        function, results = getattr(self, name), _RESULTS.get(name, 0)

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            status = self._status_before(name)
            if status == 0:
                found = function(*arguments)
                status, *values = found if isinstance(found, tuple) else (found,)
            else:
                values = [None] * results
            if status and name.startswith("cuda") and name != "cudaGetLastError":
                self._thread.last = status
            return (statuses(status), *values)

        call.__name__ = name
        return call

    def _status_before(self, name: str) -> int:
        fault = self._faults.get(name)
        if fault is not None and fault[1] > 0:
            fault[1] -= 1
            return fault[0]
        if name in _ALLOWED_WHEN_LOST:
            return 0
        if name in _PROHIBITED_IN_CAPTURE:
            for _, _, one in list(self.held.values()):
                if isinstance(one, Stream) and one.captured is not None and one.captured_by == threading.get_ident():
                    one.spoiled = True
                    return 900  # cudaErrorStreamCaptureUnsupported
        return self.sticky

    # What is current.

    @property
    def current(self) -> Context:
        """As the runtime finds it: the thread's, or else the first GPU's primary context, which it then makes."""
        if not self._thread.stack:
            self.initialised.add(0)
            return self._primaries[0]
        return self._thread.stack[-1]

    def host_context(self, device: int) -> Context:
        """A context of the host application's own, made current in this thread, as `cuCtxCreate` does."""
        found = Context(device, False)
        self._thread.stack.append(found)
        return found

    @property
    def stack(self) -> tuple[Context, ...]:
        """Contexts of this thread, the current one last."""
        return tuple(self._thread.stack)

    def hold(self, kind: str, one: Any, handle: int | None = None) -> Any:
        """Notes that something was taken under the current context."""
        self.held[id(one) if handle is None else handle] = kind, self.current, one
        return one

    def give_back(self, handle: int, what: str) -> int:
        """Notes that something was given back; an unknown handle is an invalid value."""
        if handle not in self.held:
            return 1
        _, context, _ = self.held.pop(handle)
        if context is not self.current:
            self.misused.append(f"{what} under another context")
        return 0

    def stream_of(self, stream: Any) -> Stream | None:
        """A live stream of the current context, by itself or its address."""
        _, context, found = self.held.get(int(stream), ("", None, None))
        if not isinstance(found, Stream) or context is not self.current:
            self.misused.append("a stream under another context")
            return None
        return found

    def enqueue(self, stream: Any, work: Callable[[], None]) -> int:
        """Does something in a stream, or notes it for the graph that is being captured."""
        if (found := self.stream_of(stream)) is None:
            return 400  # cudaErrorInvalidResourceHandle
        if found.captured is None:
            work()
        else:
            found.captured.append(work)
        return 0

    # The driver.

    def cuInit(self, Flags: int) -> int:
        return 0 if self.gpus else 100

    def cuDeviceGet(self, ordinal: int) -> tuple[int, Any]:
        return (0, ordinal) if ordinal < len(self.gpus) else (101, None)

    def cuDevicePrimaryCtxRetain(self, dev: Any) -> tuple[int, Context]:
        self.initialised.add(dev)
        return 0, self._primaries[dev]

    def cuCtxPushCurrent(self, ctx: Context) -> int:
        self._thread.stack.append(ctx)
        return 0

    def cuCtxPopCurrent(self) -> tuple[int, Any]:
        return (0, self._thread.stack.pop()) if self._thread.stack else (201, None)

    def cuCtxGetCurrent(self) -> tuple[int, Any]:
        return 0, self._thread.stack[-1] if self._thread.stack else None

    def cuCtxCreate(self, ctxCreateParams: Any, flags: int, dev: Any) -> tuple[int, Any]:
        return 0, self.host_context(dev)

    def cuCtxDestroy(self, ctx: Context) -> int:
        if self._thread.stack[-1:] == [ctx]:
            self._thread.stack.pop()
        return 0

    # The runtime.

    def cudaGetDeviceCount(self) -> tuple[int, int]:
        return (0, len(self.gpus)) if self.gpus else (100, 0)

    def cudaDriverGetVersion(self) -> tuple[int, int]:
        return 0, 13000

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, Any]:
        gpu = self.gpus[device]
        return 0, SimpleNamespace(**{**vars(gpu), "name": gpu.name.encode() + b"\0" * 8})

    def cudaGetLastError(self) -> int:
        last, self._thread.last = self._thread.last, 0
        return self.sticky or last

    def cudaMemGetInfo(self) -> tuple[int, int, int]:
        total = self.gpus[self.current.device].totalGlobalMem
        return 0, total - self.bytes_on(self.current.device), total

    def bytes_on(self, device: int) -> int:
        """What is taken of a GPU's memory."""
        taken = [one for kind, context, one in self.held.values() if kind == "memory" and context.device == device]
        return sum(one if isinstance(one, int) else ctypes.sizeof(one) for one in taken)

    def cudaDeviceSynchronize(self) -> int:
        return 0

    def cudaMalloc(self, size: int) -> tuple[int, Any]:
        return self._taken("memory", size)

    def cudaFree(self, devPtr: Any) -> int:
        return self.give_back(int(devPtr), "memory was freed")

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, Any]:
        return self._taken("pinned", size)

    def cudaFreeHost(self, ptr: Any) -> int:
        return self.give_back(int(ptr), "pinned memory was freed")

    def cudaHostGetDevicePointer(self, pHost: Any, flags: int) -> tuple[int, Any]:
        return 0, int(pHost)

    def _taken(self, kind: str, size: int) -> tuple[int, Any]:
        found = ctypes.create_string_buffer(size + 256)
        address = -(-ctypes.addressof(found) // 256) * 256
        self.hold(kind, found, address)
        return 0, address

    def cudaMemcpyAsync(self, dst: Any, src: Any, count: int, kind: Any, stream: Any) -> int:
        def copy() -> None:
            ctypes.memmove(int(dst), int(src), count)

        return self.enqueue(stream, copy)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, Stream]:
        return 0, self.hold("stream", Stream(self.current))

    def cudaStreamDestroy(self, stream: Any) -> int:
        return self.give_back(int(stream), "a stream was destroyed")

    def cudaStreamSynchronize(self, stream: Any) -> int:
        return 0 if self.stream_of(stream) is not None else 400

    def cudaStreamBeginCapture(self, stream: Any, mode: Any) -> int:
        if (found := self.stream_of(stream)) is None:
            return 400
        found.captured, found.spoiled = [], False
        found.captured_by = threading.get_ident()
        return 0

    def cudaStreamEndCapture(self, stream: Any) -> tuple[int, Any]:
        if (found := self.stream_of(stream)) is None or found.captured is None:
            return 904, None  # cudaErrorStreamCaptureUnmatched
        work, found.captured = found.captured, None
        return (901, None) if found.spoiled else (0, self.hold("graph", Graph(self.current, work)))

    def cudaGraphInstantiate(self, graph: Graph, flags: int) -> tuple[int, Any]:
        return 0, self.hold("graph", Graph(graph.context, list(graph.work)))

    def cudaGraphLaunch(self, graphExec: Graph, stream: Any) -> int:
        for work in graphExec.work:
            if (status := self.enqueue(stream, work)) != 0:
                return status
        return 0

    def cudaGraphDestroy(self, graph: Graph) -> int:
        graph.work.clear()
        return self.give_back(id(graph), "a graph was destroyed")

    def cudaGraphExecDestroy(self, graphExec: Graph) -> int:
        graphExec.work.clear()  # Python's references to what it ran
        return self.give_back(id(graphExec), "a graph was destroyed")


_RESULTS = {
    "cudaMemGetInfo": 2, "cudaGetDeviceCount": 1, "cudaDriverGetVersion": 1, "cudaGetDeviceProperties": 1,
    "cudaMalloc": 1, "cudaHostAlloc": 1, "cudaHostGetDevicePointer": 1, "cudaStreamCreateWithFlags": 1,
    "cudaStreamEndCapture": 1, "cudaGraphInstantiate": 1, "cuDeviceGet": 1, "cuDevicePrimaryCtxRetain": 1,
    "cuCtxPopCurrent": 1, "cuCtxCreate": 1, "cuCtxGetCurrent": 1,
}  # fmt: skip
"""How many values come after the status; `cuda-bindings` gives None for each when a call fails."""

_PROHIBITED_IN_CAPTURE = {
    "cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost", "cudaStreamSynchronize", "cudaDeviceSynchronize",
}  # fmt: skip

_ALLOWED_WHEN_LOST = {
    "cuCtxPushCurrent", "cuCtxPopCurrent", "cuCtxGetCurrent", "cudaGetLastError", "cudaDriverGetVersion",
}  # fmt: skip
