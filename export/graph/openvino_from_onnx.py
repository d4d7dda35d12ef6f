"""ONNX -> OpenVINO IR, in full precision."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.host.dependencies import require
from miniseg_edge.tensors import ANY, TensorSpec

_OWN_NAME = re.compile(r"[A-Za-z]+_\d+")


@dataclass(frozen=True)
class OpenVinoModel:
    """An IR: topology (.xml), weights (.bin), and the number of operators."""

    xml: bytes
    weights: bytes
    nodes: int


def openvino_from_onnx(model: OnnxModel, input_: TensorSpec, output: TensorSpec) -> OpenVinoModel:
    """Converts with OpenVINO's own ONNX reader; weights stay FP32.

    Raises:
        MissingDependencyError: openvino is not installed.
        ExportError: OpenVINO cannot read the model, or reads other shapes.
    """
    openvino: Any = require("openvino", "openvino")
    try:
        network = openvino.Core().read_model(model=model.data)
    except RuntimeError as error:
        raise ExportError("OpenVINO cannot read the ONNX", because=str(error)[:300]) from error
    for spec, ports in ((input_, network.inputs), (output, network.outputs)):
        found = [(port.any_name, _shape(port)) for port in ports]
        if found != [(spec.name, spec.shape)]:
            raise ExportError(
                "the inputs or outputs of the IR are wrong", expected=f"{spec.name} {spec}", got=str(found)
            )
    _number_afresh(network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(network, path, compress_to_fp16=False)
        return OpenVinoModel(path.read_bytes(), path.with_suffix(".bin").read_bytes(), _operators(network))


def _number_afresh(network: Any) -> None:
    """Renumbers OpenVINO's positional names, which otherwise continue from one model of a process to the next."""
    for index, operator in enumerate(network.get_ordered_ops()):
        if _OWN_NAME.fullmatch(operator.get_friendly_name()):
            operator.set_friendly_name(f"{operator.get_type_name()}_{index}")


def _operators(network: Any) -> int:
    """Operators that compute; an IR also counts constants, inputs and outputs."""
    return sum(op.get_type_name() not in ("Constant", "Parameter", "Result") for op in network.get_ops())


def _shape(port: Any) -> tuple[int, ...]:
    return tuple(ANY if side.is_dynamic else side.get_length() for side in port.get_partial_shape())
