"""What was asked for and what was built must agree: no silent FP32."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from miniseg_edge.errors import ExportError
from miniseg_edge.export.tensorrt.kept import kept_in_fp32
from miniseg_edge.tensors import ANY, TensorSpec

_NAMES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8"}
"""The vendors' names of a type in the API -> ours; others are counters, shapes and flags."""

_IN_TEXT = (
    ("fp32", re.compile(r"\bfp32\b|\bfloat\b|\bfloat32\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\bfp16\b|\bhalf\b|\bfloat16\b", re.IGNORECASE)),
    ("bf16", re.compile(r"\bbf16\b|\bbfloat16\b", re.IGNORECASE)),
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
)
"""The same in the inspector's words, such as "Channel major FP16 format where channel % 8 == 0"."""


def network_precisions(network: Any) -> Mapping[str, int]:
    """Layers of a parsed network by the type of their first output."""
    return Counter(found for layer in _layers(network) if (found := _precision(layer)) is not None)


def check_network(trt: Any, network: Any, precision: str, input_: TensorSpec, output: TensorSpec) -> None:
    """Refuses a parsed network with other inputs or outputs, or with a convolution in another precision.

    Raises:
        ExportError: names the tensors or the layers.
    """
    found = [_described(network.get_input(i)) for i in range(network.num_inputs)]
    found += [_described(network.get_output(i)) for i in range(network.num_outputs)]
    wanted = [(spec.name, spec.shape, spec.dtype) for spec in (input_, output)]
    if found != wanted:
        raise ExportError("the network has other inputs or outputs", str(wanted), str(found))
    heavy = (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION)
    wrong = [
        f"{layer.name}: {_precision(layer)}"
        for layer in _layers(network)
        if layer.type in heavy and _precision(layer) != ("fp32" if kept_in_fp32(layer.name) else precision)
    ]
    if wrong:
        raise ExportError("convolutions are not in the precision asked for", precision, "; ".join(wrong)[:300])


def engine_precisions(inspected: str) -> Mapping[str, int]:
    """Layers of an engine by the type of their first output, from the inspector's JSON in DETAILED verbosity.

    Raises:
        ExportError: it says nothing about types.
    """
    layers = json.loads(inspected).get("Layers", [])
    outputs = [entry["Outputs"][0] for entry in layers if isinstance(entry, dict) and entry.get("Outputs")]
    formats = [str(output.get("Format/Datatype", "")) for output in outputs]
    found = Counter(name for text in formats for name, pattern in _IN_TEXT if pattern.search(text))
    if not found:
        raise ExportError("the engine inspector names no precision", "layers with Format/Datatype", inspected[:200])
    return found


def check_engine(found: Mapping[str, int], precision: str) -> None:
    """Refuses an engine that the builder made in another precision: most layers must be in the one asked for.

    Raises:
        ExportError: gives the shares.
    """
    total = sum(found.values())
    if 2 * found.get(precision, 0) <= total:
        shares = ", ".join(f"{name} {count} of {total}" for name, count in sorted(found.items()))
        raise ExportError("the engine is not in the precision asked for", f"most layers in {precision}", shares)


def _layers(network: Any) -> Iterator[Any]:
    return (network.get_layer(i) for i in range(network.num_layers))


def _precision(layer: Any) -> str | None:
    return _NAMES.get(layer.get_output(0).dtype.name)


def _described(tensor: Any) -> tuple[str, tuple[int, ...], str]:
    dtypes = {"FLOAT": "float32", "UINT8": "uint8"}
    shape = tuple(ANY if side == -1 else side for side in tensor.shape)
    return tensor.name, shape, dtypes.get(tensor.dtype.name, tensor.dtype.name)
