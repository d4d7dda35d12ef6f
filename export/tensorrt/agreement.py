"""Checks that the built engine matches the request: no silent FP32."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from miniseg_edge.errors import ExportError
from miniseg_edge.export.tensorrt.kept import kept_in_fp32
from miniseg_edge.tensors import ANY, TensorSpec

_NAMES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8"}
"""The vendors' type names in the API -> ours; others are counters, shapes and flags."""

_IN_TEXT = (
    ("fp32", re.compile(r"\bfp32\b|\bfloat\b|\bfloat32\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\bfp16\b|\bhalf\b|\bfloat16\b", re.IGNORECASE)),
    ("bf16", re.compile(r"\bbf16\b|\bbfloat16\b", re.IGNORECASE)),
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
)
"""The same in the inspector's output, such as "Channel major FP16 format where channel % 8 == 0"."""

_OTHER = re.compile(r"\b(u?int(4|8|32|64)|bool|fp4|fp8|e8m0)\b", re.IGNORECASE)
"""Its names of types that are not precisions: shapes, indices, masks."""

_TYPE_FIELDS = ("Datatype", "DataType", "Format/Datatype", "Format")
"""Keys under which the inspector reports a tensor's type, the most exact first.

TensorRT 10 only has "Format/Datatype"; TensorRT for RTX 1.7 has "Datatype" and "Format"; TensorRT 11 calls a network's
inputs' "DataType" (its guide for moving from 10).
"""


def network_precisions(network: Any) -> Mapping[str, int]:
    """Layers of a parsed network by the type of their first output."""
    return Counter(found for layer in _layers(network) if (found := _precision(layer)) is not None)


def check_network(
    trt: Any, network: Any, ends: tuple[TensorSpec, TensorSpec], precision: str, quantized: Collection[str] = ()
) -> None:
    """Refuses a parsed network with other inputs or outputs, or with a convolution in another precision.

    Args:
        trt: the vendor's module.
        network: as parsed by the vendor.
        ends: the required input and output.
        precision: the intended one; INT8 is embedded in FP16.
        quantized: names of the convolutions that must be INT8.

    Raises:
        ExportError: names the tensors or the layers.
    """
    found = [_described(network.get_input(i)) for i in range(network.num_inputs)]
    found += [_described(network.get_output(i)) for i in range(network.num_outputs)]
    wanted = [(spec.name, spec.shape, spec.dtype) for spec in ends]
    if found != wanted:
        raise ExportError("the inputs or outputs of the network are wrong", expected=str(wanted), got=str(found))
    heavy = (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION)
    from_int8 = _from_int8(trt, network)
    read = {
        layer.name: "int8" if _reads(layer, from_int8) else _precision(layer)
        for layer in _layers(network)
        if layer.type in heavy
    }
    rest = "fp16" if precision == "int8" else precision
    meant = dict.fromkeys(quantized, "int8")
    meant |= {name: "fp32" if kept_in_fp32(name) else rest for name in read if name not in meant}
    wrong = [f"{name}: {read.get(name, 'not there')}" for name, kind in meant.items() if read.get(name) != kind]
    if precision == "int8" and not quantized:
        wrong = ["none is quantized"]
    if wrong:
        raise ExportError(
            "convolutions are not in the requested precision", expected=precision, got="; ".join(wrong)[:300]
        )


def engine_precisions(inspected: str) -> Mapping[str, int]:
    """Layers of an engine by the type of their first output, from the inspector's JSON in DETAILED verbosity.

    Empty if it does not report types: it only names layers, or leaves most types open, as for free shapes.

    Raises:
        ExportError: it is not JSON, or not an engine's.
    """
    outputs = [tensors[0] for entry in _told(inspected) if (tensors := _tensors(entry, "Outputs"))]
    said = [_type_of(output) for output in outputs]
    silent = sum(kind is None for kind in said)
    return {} if 2 * silent > len(said) else Counter(kind for kind in said if kind)


def check_engine(found: Mapping[str, int], precision: str) -> None:
    """Refuses an engine that the builder made in another precision: most layers must be in the requested one.

    INT8 is embedded in FP16, and `check_quantized` checks it in more detail.

    Raises:
        ExportError: gives the shares.
    """
    total = sum(found.values())
    wanted = ("int8", "fp16") if precision == "int8" else (precision,)
    if 2 * sum(found.get(name, 0) for name in wanted) <= total:
        shares = ", ".join(f"{name} {count} of {total}" for name, count in sorted(found.items()))
        raise ExportError(
            "the engine is not in the requested precision", expected=f"most layers in {precision}", got=shares
        )


def check_quantized(inspected: str, quantized: Collection[str]) -> None:
    """Refuses an engine in which a quantized convolution does not read INT8, by the inspector's JSON.

    A layer of the engine names the convolutions fused into it, in its name or in its metadata.

    Raises:
        ExportError: names the convolutions.
    """
    layers = (entry for entry in _told(inspected) if _is_int8(entry))
    said = "\n".join(f"{entry.get('Name', '')} {entry.get('Metadata', '')}" for entry in layers)
    wrong = [name for name in quantized if not re.search(rf"(?<![\w./]){re.escape(name)}(?![\w./])", said)]
    if wrong:
        raise ExportError(
            "quantized convolutions do not run in INT8", expected=f"all {len(quantized)} in layers that read int8",
            got=f"{len(wrong)} in others: {'; '.join(wrong)}"[:300],
            remedy="Exclude their groups with --quantization FILE: the plan of a bundle with fewer groups.",
        )  # fmt: skip


def _told(inspected: str) -> list[dict[str, Any]]:
    """The layers about which the inspector reports more than names. Raises: ExportError."""
    try:
        found = json.loads(inspected)
    except ValueError as error:
        raise _unreadable(inspected) from error
    if not isinstance(found, dict) or not isinstance(found.get("Layers", []), list):
        raise _unreadable(inspected)
    return [entry for entry in found.get("Layers", []) if isinstance(entry, dict)]


def _unreadable(inspected: str) -> ExportError:
    return ExportError(
        "the engine inspector's report cannot be read", expected="JSON with Layers", got=repr(inspected[:200])
    )


def _tensors(entry: Mapping[str, Any], end: str) -> list[dict[str, Any]]:
    tensors = entry.get(end)
    return [one for one in tensors if isinstance(one, dict)] if isinstance(tensors, list) else []


def _type_of(tensor: Mapping[str, Any]) -> str | None:
    """Our name of a tensor's type; "" for one that is not a precision, None if the inspector leaves it open."""
    for text in (str(tensor[name]) for name in _TYPE_FIELDS if name in tensor):
        for name, pattern in _IN_TEXT:
            if pattern.search(text):
                return name
        if _OTHER.search(text):
            return ""
    return None


def _is_int8(entry: Mapping[str, Any]) -> bool:
    """Whether a layer of an engine reads INT8, rather than writing it."""
    return any(_type_of(read) == "int8" for read in _tensors(entry, "Inputs"))


def _from_int8(trt: Any, network: Any) -> Collection[str]:
    """Tensors that are INT8 represented as floats: the outputs of dequantizers."""
    return {
        layer.get_output(0).name
        for layer in _layers(network)
        if layer.type == trt.LayerType.DEQUANTIZE and layer.get_input(0).dtype.name == "INT8"
    }


def _reads(layer: Any, tensors: Collection[str]) -> bool:
    """Whether a convolution reads both its values and its weights from some tensors."""
    return layer.num_inputs > 1 and all(layer.get_input(index).name in tensors for index in (0, 1))


def _layers(network: Any) -> Iterator[Any]:
    return (network.get_layer(i) for i in range(network.num_layers))


def _precision(layer: Any) -> str | None:
    return _NAMES.get(layer.get_output(0).dtype.name)


def _described(tensor: Any) -> tuple[str, tuple[int, ...], str]:
    dtypes = {"FLOAT": "float32", "UINT8": "uint8"}
    shape = tuple(ANY if side == -1 else side for side in tensor.shape)
    return tensor.name, shape, dtypes.get(tensor.dtype.name, tensor.dtype.name)
