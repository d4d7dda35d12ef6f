"""What was asked for and what was built must agree: no silent FP32."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
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


def check_network(
    trt: Any, network: Any, ends: tuple[TensorSpec, TensorSpec], precision: str, quantized: Collection[str] = ()
) -> None:
    """Refuses a parsed network with other inputs or outputs, or with a convolution in another precision.

    Args:
        trt: the vendor's module.
        network: as the vendor's parser read it.
        ends: the input and the output that it must have.
        precision: what it is meant to be; INT8 stands amid FP16.
        quantized: names of the convolutions that are meant to be INT8.

    Raises:
        ExportError: names the tensors or the layers.
    """
    found = [_described(network.get_input(i)) for i in range(network.num_inputs)]
    found += [_described(network.get_output(i)) for i in range(network.num_outputs)]
    wanted = [(spec.name, spec.shape, spec.dtype) for spec in ends]
    if found != wanted:
        raise ExportError("the network has other inputs or outputs", str(wanted), str(found))
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

    INT8 stands amid FP16, and `check_quantized` looks at it more closely.

    Raises:
        ExportError: gives the shares.
    """
    total = sum(found.values())
    wanted = ("int8", "fp16") if precision == "int8" else (precision,)
    if 2 * sum(found.get(name, 0) for name in wanted) <= total:
        shares = ", ".join(f"{name} {count} of {total}" for name, count in sorted(found.items()))
        raise ExportError("the engine is not in the precision asked for", f"most layers in {precision}", shares)


def check_quantized(inspected: str, quantized: Collection[str]) -> None:
    """Refuses an engine of which a convolution that was quantized reads no INT8, by the inspector's JSON.

    A layer of the engine names the convolutions that went into it, in its name or in its metadata.

    Raises:
        ExportError: names the convolutions.
    """
    layers = [entry for entry in json.loads(inspected).get("Layers", []) if isinstance(entry, dict)]
    said = "\n".join(f"{entry.get('Name', '')} {entry.get('Metadata', '')}" for entry in layers if _is_int8(entry))
    wrong = [name for name in quantized if not re.search(rf"(?<![\w./]){re.escape(name)}(?![\w./])", said)]
    if wrong:
        raise ExportError(
            "quantized convolutions do not run in INT8", f"all {len(quantized)} in layers that read int8",
            f"{len(wrong)} in others: {'; '.join(wrong)}"[:300],
            "Leave their groups out: --quantization FILE, with the plan of a bundle and fewer groups.",
        )  # fmt: skip


def _is_int8(entry: Mapping[str, Any]) -> bool:
    """Whether a layer of an engine reads INT8, rather than giving it."""
    formats = " ".join(str(read.get("Format/Datatype", "")) for read in entry.get("Inputs", []))
    return dict(_IN_TEXT)["int8"].search(formats) is not None


def _from_int8(trt: Any, network: Any) -> Collection[str]:
    """Tensors that are INT8 in the guise of floats: what dequantizers make of it."""
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
