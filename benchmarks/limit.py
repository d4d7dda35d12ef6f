"""The machine's own limit: what a runtime's densest convolutions reach here, `python -m miniseg_edge.benchmarks.limit`.

A chain of dense 3x3 convolutions of 64 channels on 64 x 64 maps is what engines are best at: full vector registers,
weights and maps in the cache. An artefact cannot do its multiplications faster than that; by how much it is slower is
what layers with few channels, depthwise layers and everything that is no multiplication cost.
"""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from miniseg_edge.dependencies import require
from miniseg_edge.errors import InferenceError
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.runtimes.openvino import PRECISION_HINTS

CHANNELS, SIDE, LAYERS = 64, 64, 4
MACS = LAYERS * CHANNELS * CHANNELS * 9 * SIDE * SIDE
RUNTIMES = {"openvino": tuple(PRECISION_HINTS), "onnxruntime": ("fp32",)}
"""Runtimes and precisions whose limit can be measured."""


def measured_gflops(runtime: str, precision: str, threads: int | None, seconds: float) -> float:
    """One turn, in a process of its own: 1e9 floating-point operations a second (two for each multiplication).

    Raises:
        InferenceError: it could not be measured.
    """
    command = [sys.executable, "-m", __name__, json.dumps([runtime, precision, threads, seconds])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  this module
    if done.returncode != 0:
        reason = done.stderr.strip()[-300:]
        raise InferenceError(f"the limit of {runtime} {precision} could not be measured", "a figure", reason)
    return float(done.stdout)


def _main() -> None:
    runtime, precision, threads, seconds = json.loads(sys.argv[1])
    run = {"openvino": _openvino, "onnxruntime": _onnxruntime}[runtime](precision, threads)
    image = np.random.default_rng(0).random((1, CHANNELS, SIDE, SIDE), np.float32)
    taken: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < 2 * seconds or not taken:
        before = time.perf_counter()
        run(image)
        if before - start > seconds:  # the first half is the warm-up
            taken.append(time.perf_counter() - before)
    sys.stdout.write(f"{2e-9 * MACS / float(np.median(taken))}\n")


def _weights() -> FloatArray:
    scale = np.float32(1 / np.sqrt(9 * CHANNELS))
    return np.random.default_rng(1).standard_normal((CHANNELS, CHANNELS, 3, 3), np.float32) * scale


def _openvino(precision: str, threads: int | None) -> Any:
    openvino: Any = require("openvino", "openvino")
    ops = openvino.opset13
    image = last = ops.parameter([1, CHANNELS, SIDE, SIDE], np.float32)
    for _ in range(LAYERS):
        last = ops.convolution(last, ops.constant(_weights()), [1, 1], [1, 1], [1, 1], [1, 1])
    config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision]}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(openvino.Model([last], [image], "dense"), "CPU", config)
    request = compiled.create_infer_request()
    return lambda values: request.infer({0: values}, share_inputs=True, share_outputs=True)


def _onnxruntime(precision: str, threads: int | None) -> Any:
    onnx: Any = require("onnx", "bench")
    ort: Any = require("onnxruntime", "onnxruntime")
    shape, helper = [1, CHANNELS, SIDE, SIDE], onnx.helper
    nodes = [helper.make_node("Conv", [f"x{i}", "w"], [f"x{i + 1}"], pads=[1, 1, 1, 1]) for i in range(LAYERS)]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x0", f"x{LAYERS}")]
    graph = helper.make_graph(nodes, precision, ends[:1], ends[1:], [onnx.numpy_helper.from_array(_weights(), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = ort.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda values: session.run(None, {"x0": values})


if __name__ == "__main__":
    _main()
