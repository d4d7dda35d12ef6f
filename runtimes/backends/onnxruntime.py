"""ONNX Runtime: anywhere."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.backends.capabilities import DenseChain, OperatorTime
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

PROFILED_RUNS = 20

_KERNEL = "_kernel_time"


def onnxruntime() -> Any:
    """The package. Raises: MissingDependencyError."""
    return require("onnxruntime", "onnxruntime")


def session_options() -> Any:
    """Options for all our sessions."""
    options = onnxruntime().SessionOptions()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # it would guess, and has another format
    options.log_severity_level = 3
    # Idle workers must not consume the host application's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class OnnxRuntime(Runtime):
    """An ONNX file in an InferenceSession on the CPU; sessions allow concurrent runs."""

    name = "onnxruntime"
    reads_models = True

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`."""
        return ("cpu",)

    @property
    def version(self) -> str:
        """The package's version."""
        return str(onnxruntime().__version__)

    @classmethod
    def operator_times(cls, bundle: Bundle, artifact: Artifact, values: FloatArray) -> list[OperatorTime]:
        """From the trace that its session writes."""
        ort = onnxruntime()
        with tempfile.TemporaryDirectory() as folder:
            options = ort.SessionOptions()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            model = bundle.contents[artifact.files[0]]
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for _ in range(PROFILED_RUNS):
                session.run(None, {bundle.manifest.input.name: values})
            events = json.loads(Path(session.end_profiling()).read_text())
        times: dict[tuple[str, str], float] = defaultdict(float)
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
                times[event["name"].removesuffix(_KERNEL), event["args"].get("op_name", "")] += event["dur"] / 1e3
        return [OperatorTime(name, kind, ms / PROFILED_RUNS) for (name, kind), ms in times.items()]

    dense_precisions = ("fp32",)

    @classmethod
    def dense(cls, chain: DenseChain, precision: str, threads: int | None) -> Callable[[FloatArray], object]:
        """See `Runtime.dense`. Raises: MissingDependencyError if onnx, which writes the model, is missing."""
        onnx: Any = require("onnx", "bench")
        ort, helper, float32 = onnxruntime(), onnx.helper, onnx.TensorProto.FLOAT
        names = [f"x{index}" for index in range(chain.layers + 1)]
        nodes = [helper.make_node("Conv", [x, "w"], [y], pads=[1, 1, 1, 1]) for x, y in pairwise(names)]
        ends = [helper.make_tensor_value_info(name, float32, chain.shape) for name in (names[0], names[-1])]
        weights = onnx.numpy_helper.from_array(chain.weights(), "w")
        graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        options = ort.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda values: session.run(None, {names[0]: values})

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        options = session_options()
        threads = self.threads or (usable_cores() if self.streams > 1 else None)
        if threads is not None:
            options.intra_op_num_threads = max(1, threads // self.streams)
        self._session = onnxruntime().InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
        self._input, self._output = self.input.name, self.output.name

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        return np.asarray(self._session.run([self._output], {self._input: values})[0])
