"""TensorRT on a machine without a GPU: real as far as TensorRT for RTX's library goes without one. For tests alone.

It replaces no test on hardware. The parser, the network, the builder's configuration, the optimization profile and all
enumerations are TensorRT for RTX's own, which are the same classes as TensorRT's. What needs a GPU is played: the
build, the engine, its contexts and its inspector. An engine holds its ONNX, which ONNX Runtime computes with FP16's
rounding. Signatures are the bindings' (`test_honesty.py`). What it says, and where that is from:

- A library that cannot start gives nothing, and the bindings raise `TypeError`: tried in `test_honesty.py` with the
  bindings of TensorRT 10.3, 10.16 and 11.4. The reason is a warning in the log: NVIDIA/TensorRT issues 2913 and 635.
- An engine with a runtime of its own is refused where that is not allowed, in the words of RTX 1.7.1's library.
- The inspector's words: "Format/Datatype" with "Row major linear FP16 format", "N/A due to dynamic shapes" (TensorRT 8
  to 10, layer files that people published); "Datatype" and "Format" with "Row major linear FP16 format (kLINEAR)", and
  "Format not available due to dynamic shapes" (RTX 1.7.1's library; NVIDIA's guide for moving from the inspector of
  TensorRT 10 to that of 11 shows the same formats). That TensorRT 11's layers have these keys is not known.
- A convolution of dequantized values reads INT8, as if the dequantizers were fused into it.
- Contexts take memory for the largest shape unless that is `USER_MANAGED`: `ExecutionContextAllocationStrategy` in the
  bindings' docstrings. How much is made up: `BYTES_FOR_EACH_VALUE`.
"""

import ctypes
import json
import threading
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorrt_rtx_bindings as real

from miniseg_edge.export.tensorrt.stand_in import rounded_to_half
from tests.rehearsal.cuda import FakeCuda

BYTES_FOR_EACH_VALUE = 112
"""Activations for a value of the input: 28 MB for 512 x 512, as TensorRT for RTX reports it for the 83K network."""

NULLPTR = "pybind11::init(): factory function returned nullptr"
NO_HOST_CODE = "Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed() is false."
_TAKEN = (
    "ILogger", "IProgressMonitor", "NetworkDefinitionCreationFlag", "BuilderFlag", "ProfilingVerbosity", "LayerType",
    "MemoryPoolType", "HardwareCompatibilityLevel", "LayerInformationFormat", "ExecutionContextAllocationStrategy",
)  # fmt: skip
_WORDS = {1: ("FP32", "Float"), 10: ("FP16", "Half"), 3: ("INT8", "Int8"), 2: ("UINT8", "UInt8"), 7: ("INT64", "Int64")}
"""ONNX's number of a type -> the inspector's words in formats and in types."""


@dataclass
class Faults:
    """What is to go wrong; each as the vendor does it.

    Attributes:
        nothing: names of what gives nothing: "Builder", "Runtime", "build_serialized_network",
            "deserialize_cuda_engine", "create_execution_context", "set_input_shape", "set_tensor_address",
            "execute_async_v3".
        said: what it writes into its log then, by its severity.
        inspector: what it says instead of JSON of the layers.
        unfit_for_capture: runs call what a capture forbids.
        raises: what `execute_async_v3` raises.
    """

    nothing: set[str] = field(default_factory=set)
    said: tuple[str, str] = ("ERROR", "")
    inspector: str | None = None
    unfit_for_capture: bool = False
    raises: Exception | None = None


class FakeTensorRt:
    """A TensorRT of one version on a `FakeCuda`.

    Attributes:
        loggers: that its classes were given.
        alive: contexts and engines that were not destroyed.
        destroyed_under_lock: see `watch`.
    """

    def __init__(self, cuda: FakeCuda, version: str = "11.4.0.106") -> None:
        self.cuda, self.version, self.faults = cuda, version, Faults()
        self.loggers: set[int] = set()
        self.alive: list[str] = []
        self.built_on: list[int] = []
        self.at_work = threading.local()
        self._onnx: dict[int, bytes] = {}

    def module(self) -> ModuleType:
        """What `import tensorrt` is to find."""
        found: Any = ModuleType("tensorrt")
        found.__version__ = self.version
        for name in _TAKEN:
            setattr(found, name, getattr(real, name))
        found.Builder = lambda logger: Builder(self, logger)
        found.OnnxParser = lambda network, logger: OnnxParser(self, network, logger)
        found.Runtime = lambda logger: Runtime(self, logger)
        module: ModuleType = found
        return module

    def fails(self, name: str, logger: Any = None) -> bool:
        """Whether a call is to give nothing; says so in the log."""
        if name not in self.faults.nothing:
            return False
        severity, text = self.faults.said
        if text:
            (logger or self._logger).log(getattr(real.ILogger.Severity, severity), text)
        return True

    def start(self, name: str, logger: Any) -> None:
        """Begins with a logger, or fails as pybind11 has it. The library keeps the first logger."""
        if not self.loggers:
            self._logger = logger
        self.loggers.add(id(logger))
        _ = self.cuda.current  # it initialises the GPU that is current
        if self.fails(name):
            raise TypeError(NULLPTR)

    def parsed(self, network: Any, data: bytes) -> None:
        """Remembers what a network was read from, and the network itself, so that no other gets its number."""
        self._onnx[id(network)] = data
        self._kept = network

    def onnx_of(self, network: Any) -> bytes:
        return self._onnx[id(network)]


class Config:
    """The real configuration, but for what TensorRT for RTX has no use for."""

    def __init__(self, config: Any) -> None:
        object.__setattr__(self, "_real", config)
        object.__setattr__(self, "_cache", None)
        object.__setattr__(self, "hardware_compatibility_level", real.HardwareCompatibilityLevel.NONE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        kept = name == "hardware_compatibility_level"
        object.__setattr__(self, name, value) if kept else setattr(self._real, name, value)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        return TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        object.__setattr__(self, "_cache", cache)
        return True

    def get_timing_cache(self) -> Any:
        return self._cache

    def add_optimization_profile(self, profile: Any) -> int:
        object.__setattr__(self, "profile", profile)
        return int(self._real.add_optimization_profile(profile))


class TimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> bytes:
        return self._data + b"timed"


class Builder:
    def __init__(self, vendor: FakeTensorRt, logger: Any) -> None:
        vendor.start("Builder", logger)
        self._vendor, self._real = vendor, real.Builder(logger)

    def create_network(self, flags: int = 0) -> Any:
        return self._real.create_network(flags)

    def create_builder_config(self) -> Config:
        return Config(self._real.create_builder_config())

    def create_optimization_profile(self) -> Any:
        return self._real.create_optimization_profile()

    def build_serialized_network(self, network: Any, config: Config) -> bytes | None:
        vendor = self._vendor
        if vendor.fails("build_serialized_network"):
            return None
        config.progress_monitor.phase_start("Building Engine", None, 2)
        for step in range(2):
            assert config.progress_monitor.step_complete("Building Engine", step)
        config.progress_monitor.phase_finish("Building Engine")
        device = vendor.cuda.current.device
        vendor.built_on.append(device)
        profile = getattr(config, "profile", None)
        tensor = network.get_input(0)
        shapes = [list(shape) for shape in profile.get_shape(tensor.name)] if profile else [list(tensor.shape)] * 3
        header = {
            "version": vendor.version,
            "gpu": vendor.cuda.gpus[device].name,
            "shapes": shapes,
            "lean": config.get_flag(real.BuilderFlag.VERSION_COMPATIBLE),
        }
        return json.dumps(header).encode() + b"\n" + vendor.onnx_of(network)


class OnnxParser:
    def __init__(self, vendor: FakeTensorRt, network: Any, logger: Any) -> None:
        self._vendor, self._network, self._real = vendor, network, real.OnnxParser(network, logger)

    def parse(self, model: bytes) -> bool:
        self._vendor.parsed(self._network, model)
        return bool(self._real.parse(model))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Runtime:
    def __init__(self, vendor: FakeTensorRt, logger: Any) -> None:
        vendor.start("Runtime", logger)
        self._vendor, self.engine_host_code_allowed = vendor, False

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "Engine | None":
        vendor = self._vendor
        if vendor.fails("deserialize_cuda_engine"):
            return None
        header, _, data = bytes(serialized_engine).partition(b"\n")
        said = json.loads(header)
        if said["lean"] and not self.engine_host_code_allowed:
            vendor._logger.log(real.ILogger.Severity.ERROR, NO_HOST_CODE)
            return None
        if not said["lean"] and said["version"] != vendor.version:
            vendor._logger.log(real.ILogger.Severity.ERROR, "The engine plan file is not compatible with this version")
            return None
        return Engine(vendor, said["shapes"], data)


class Engine:
    def __init__(self, vendor: FakeTensorRt, shapes: list[list[int]], data: bytes) -> None:
        self.vendor, self.shapes, self.onnx = vendor, shapes, data
        self.session = onnxruntime.InferenceSession(rounded_to_half(data), providers=["CPUExecutionProvider"])
        self.context = vendor.cuda.current
        vendor.alive.append("engine")

    def __del__(self) -> None:
        self.vendor.alive.remove("engine")

    def create_execution_context(self, strategy: Any = real.ExecutionContextAllocationStrategy.STATIC) -> Any:
        if self.vendor.fails("create_execution_context"):
            return None
        return ExecutionContext(self, strategy)

    def create_engine_inspector(self) -> "Inspector":
        return Inspector(self)

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        return int(np.prod(self.shapes[2])) * BYTES_FOR_EACH_VALUE


class ExecutionContext:
    def __init__(self, engine: Engine, strategy: Any) -> None:
        self._engine, self._vendor, self._cuda = engine, engine.vendor, engine.vendor.cuda
        self._made_under = self._cuda.current
        self._shape: tuple[int, ...] = ()
        self._given: dict[str, int] = {}
        self._memory = 0
        if strategy == real.ExecutionContextAllocationStrategy.STATIC:
            self._memory = engine.get_device_memory_size_for_profile_v2(0)
            self._cuda.hold("memory", self._memory, id(self))
        self._is_static = bool(self._memory)
        self._vendor.alive.append("context")

    def __del__(self) -> None:
        if self._is_static:
            self._cuda.give_back(id(self), "a context was destroyed")
        elif self._made_under is not self._cuda.current:
            self._cuda.misused.append("a context was destroyed under another context")
        self._vendor.alive.remove("context")

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if self._vendor.fails("set_input_shape"):
            return False
        least, _, most = self._engine.shapes
        if not all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True)):
            return False
        self._shape = tuple(shape)
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        return int(np.prod(self._shape)) * BYTES_FOR_EACH_VALUE

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        assert memory in self._cuda.held
        self._memory = size

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._given[name] = memory
        return not self._vendor.fails("set_tensor_address")

    def execute_async_v3(self, stream_handle: int) -> bool:
        vendor = self._vendor
        if (error := vendor.faults.raises) is not None:
            del self  # a traceback holds no object of C++'s
            raise error
        if vendor.fails("execute_async_v3"):
            return False
        if self._memory < self.update_device_memory_size_for_shapes() or self._made_under is not self._cuda.current:
            vendor._logger.log(real.ILogger.Severity.ERROR, "the context has too little memory, or is another's")
            return False
        stream = self._cuda.stream_of(stream_handle)
        if vendor.faults.unfit_for_capture and stream is not None and stream.captured is not None:
            stream.spoiled = True
            return False
        return self._cuda.enqueue(stream_handle, self._run) == 0

    def _run(self) -> None:
        """On ONNX Runtime, from and to the addresses that were given."""
        session = self._engine.session
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        size = 4 * int(np.prod(self._shape))
        values = np.frombuffer(memoryview((ctypes.c_uint8 * size).from_address(self._given[taken.name])), np.float32)
        (found,) = session.run([given.name], {taken.name: values.reshape(self._shape)})
        ctypes.memmove(self._given[given.name], np.ascontiguousarray(found).ctypes.data, found.nbytes)


class Inspector:
    """Speaks as TensorRT of that version does; `faults.inspector` replaces it all."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.execution_context = engine, None

    def get_engine_information(self, format: Any) -> str:  # noqa: A002  the vendor's name
        engine = self._engine
        if engine.vendor.faults.inspector is not None:
            return engine.vendor.faults.inspector
        open_ = engine.shapes[0] != engine.shapes[2] and self.execution_context is None
        return inspected(engine.onnx, engine.vendor.version, shapes_are_open=open_)


def inspected(data: bytes, version: str, *, shapes_are_open: bool = False) -> str:
    """The layers of an ONNX in an inspector's words: as if nothing had been fused."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(data)).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    major = int(version.split(".", maxsplit=1)[0])

    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}

    def tensor(name: str, reader: str = "") -> dict[str, Any]:
        fused = name in dequantized and reader in ("Conv", "ConvTranspose")
        form, kind = _WORDS.get(3 if fused else kinds.get(name, 1), ("BOOL", "Bool"))
        if major <= 10:
            said = "N/A due to dynamic shapes" if shapes_are_open else f"Row major linear {form} format"
            return {"Name": name, "Location": "Device", "Format/Datatype": said}
        said = f"Row major linear {form} format (kLINEAR)"
        said = "Format not available due to dynamic shapes" if shapes_are_open else said
        return {"Name": name, "Location": "Device", "Datatype": kind, "Format": said}

    layers = [
        {
            "Name": node.name,
            "LayerType": node.op_type,
            "Inputs": [tensor(name, node.op_type) for name in node.input if name in kinds],
            "Outputs": [tensor(name) for name in node.output],
            "Metadata": f"[ONNX Layer: {node.name}]",
        }
        for node in graph.node
    ]
    ends = [value.name for value in (*graph.input, *graph.output)]
    return json.dumps({"Layers": layers, "Bindings" if major <= 10 else "I/O Tensors": ends})
