"""Where the time goes: the operators that cost most, from each vendor's own profiler."""

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.manifest import Artifact
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.runtimes.openvino import PRECISION_HINTS
from miniseg_edge.runtimes.registry import entry_named

RUNS = 20


@dataclass(frozen=True)
class OperatorCost:
    """An operator of the compiled artefact: mean milliseconds a slice, and its share of the whole."""

    name: str
    kind: str
    ms: float
    share: float


def profile(bundle: Bundle, runtime: str, precision: str, grey: FloatArray) -> list[OperatorCost]:
    """The operators of a bundle's artefact on one runtime, the costliest first; empty if the runtime has no profiler.

    Args:
        bundle: opened.
        runtime: "openvino" or "onnxruntime".
        precision: of the artefact.
        grey: (1, 1, H, W) float32, the network's input.
    """
    costs = {"openvino": _openvino, "onnxruntime": _onnxruntime}.get(runtime)
    if costs is None:
        return []
    artifact = entry_named(runtime).artifact(bundle, precision)
    assert artifact is not None  # noqa: S101  it was measured before it is profiled
    found = costs(bundle, artifact, grey)
    total = sum(ms for _, _, ms in found)
    return sorted((OperatorCost(n, k, ms, ms / total) for n, k, ms in found), key=lambda c: -c.ms)


def _openvino(bundle: Bundle, artifact: Artifact, grey: FloatArray) -> list[tuple[str, str, float]]:
    core: Any = require("openvino", "openvino").Core()
    files = [bundle.contents[name] for name in artifact.files]
    hint = PRECISION_HINTS[artifact.precision]
    config = {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(files[0], files[1]), "CPU", config).create_infer_request()
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(RUNS):
        request.infer({0: grey})
        for info in request.profiling_info:
            if str(info.status).endswith("EXECUTED"):
                times[info.node_name, f"{info.node_type} {info.exec_type}"].append(info.real_time.total_seconds() * 1e3)
    return [(name, kind, float(np.mean(ms))) for (name, kind), ms in times.items()]


def _onnxruntime(bundle: Bundle, artifact: Artifact, grey: FloatArray) -> list[tuple[str, str, float]]:
    ort: Any = require("onnxruntime", "onnxruntime")
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(bundle.contents[artifact.files[0]], options, providers=["CPUExecutionProvider"])
        for _ in range(RUNS):
            session.run(None, {bundle.manifest.input.name: grey})
        events = json.loads(Path(session.end_profiling()).read_text())
    times: dict[tuple[str, str], float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["name"].removesuffix("_kernel_time"), event["args"].get("op_name", "")] += event["dur"] / 1e3
    return [(name, kind, ms / RUNS) for (name, kind), ms in times.items()]
