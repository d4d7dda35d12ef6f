"""Which precision a compiled artefact really runs in: operators and share of the time, from OpenVINO's own counters."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from miniseg_edge.dependencies import require
from miniseg_edge.errors import ExportError
from miniseg_edge.export.artifacts import BuiltArtifact
from miniseg_edge.manifest import Manifest, PrecisionShare
from miniseg_edge.preprocessing import GREY_MAX, FloatArray
from miniseg_edge.runtimes.openvino import PRECISION_HINTS

RUNS = 20
_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_NAMES = {"i8": "int8", "u8": "int8", "bf16": "bf16", "f32": "fp32", "f16": "fp16"}


def shares_of(built: BuiltArtifact, manifest: Manifest, what: tuple[str, str]) -> tuple[PrecisionShare, ...]:
    """Runs an artefact on this CPU and reads what ran in which precision; nothing for targets that do not tell.

    Args:
        built: the artefact.
        manifest: how it is fed.
        what: target and the precision that it is meant to run in.

    Raises:
        MissingDependencyError: openvino is not installed.
        ExportError: the device has no counters.
    """
    target, precision = what
    if target != "openvino":
        return ()
    xml, weights = built.files.values()
    grey = np.random.default_rng(0).random((1, manifest.interface.channels, *manifest.preprocessing.size), np.float32)
    return precision_shares(xml, weights, precision, grey * np.float32(GREY_MAX))


def precision_shares(xml: bytes, weights: bytes, precision: str, values: FloatArray) -> tuple[PrecisionShare, ...]:
    """Compiles an IR for this CPU as the runtime does, runs it on the network's input, float32, and reads counters.

    Raises:
        MissingDependencyError, ExportError: see `shares_of`.
    """
    core: Any = require("openvino", "openvino").Core()
    config = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "PERF_COUNT": True}
    compiled = core.compile_model(core.read_model(xml, weights), "CPU", config)
    request = compiled.create_infer_request()
    for _ in range(RUNS):  # the counters are means over the runs
        request.infer({0: values})
    return _shares(compiled.get_runtime_model().get_ops())


def _shares(operators: Sequence[Any]) -> tuple[PrecisionShare, ...]:
    count: Counter[str] = Counter()
    convolutions: Counter[str] = Counter()
    micros: Counter[str] = Counter()
    for operator in operators:
        about = operator.get_rt_info()
        taken = str(about["execTimeMcs"].value)
        if taken == "not_executed":
            continue
        precision = _NAMES.get(str(about["runtimePrecision"].value).lower(), "other")
        count[precision] += 1
        convolutions[precision] += str(about["layerType"].value) in _CONVOLUTIONS
        micros[precision] += int(taken)
    total = sum(micros.values())
    if not total:
        raise ExportError("the compiled model has no counters", "times of its operators", "none")
    found = (PrecisionShare(name, count[name], convolutions[name], micros[name] / total) for name in count)
    return tuple(sorted(found, key=lambda share: (-share.time_share, share.precision)))


def check_int8(shares: Sequence[PrecisionShare], wanted: int) -> None:
    """Refuses an INT8 artefact of which fewer convolutions run in INT8 than were quantized. Raises: ExportError."""
    found = sum(share.convolutions for share in shares if share.precision == "int8")
    if found < wanted:
        shown = ", ".join(f"{share.convolutions} convolutions in {share.precision}" for share in shares)
        raise ExportError("the INT8 artefact does not run in INT8", f"{wanted} convolutions in int8", shown)
