"""Bundles with a model of the attacker's own, every hash right: made in memory, without an export."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from miniseg_edge.bundle.bundle import Bundle, file_records
from miniseg_edge.bundle.manifest import Artifact, sealed
from miniseg_edge.tensors import GraphInterface
from tests.bundles import SIDE, small_bundle

SHAPE = (1, 1, SIDE, SIDE)
ONNX, XML, BIN = "onnx/model.onnx", "openvino/model.xml", "openvino/model.bin"


def weights(name: str, values: Sequence[float] | Sequence[int], shape: Sequence[int], *, whole: bool = True) -> Any:
    """An initializer."""
    return helper.make_tensor(name, TensorProto.INT64 if whole else TensorProto.FLOAT, shape, values)


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
    *,
    shape: Sequence[int | str] = SHAPE,
    output: Sequence[int | str] | None = None,
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    """A model from `slice` to `logit`, of the bundle's size unless another is given."""
    ends = (("slice", shape), ("logit", shape if output is None else output))
    input_, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name, sides in ends)
    graph = helper.make_graph(list(nodes), "attack", [input_], [answer], list(initializers))
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(function.domain, 1) for function in functions)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def onnx_bundle(model: onnx.ModelProto | bytes, operators: Sequence[str], *, dynamic: bool = False) -> Bundle:
    """A bundle with this ONNX, whose manifest records these operators."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return _bundle("onnx", {ONNX: data}, operators, dynamic=dynamic)


def ir_bundle(model: Any, operators: Sequence[str], *, dynamic: bool = False) -> Bundle:
    """A bundle with this OpenVINO model as an IR, or with these bytes of an .xml and a .bin."""
    if isinstance(model, tuple):
        xml, data = model
    else:
        xml, data = ir_files(model)
    return _bundle("openvino", {XML: xml, BIN: data}, operators, dynamic=dynamic)


def ir_files(model: Any) -> tuple[bytes, bytes]:
    """The .xml and the .bin of an OpenVINO model."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _bundle(target: str, files: dict[str, bytes], operators: Sequence[str], *, dynamic: bool) -> Bundle:
    small = small_bundle()
    interface = GraphInterface(dynamic_batch=dynamic, dynamic_size=dynamic)
    manifest = replace(
        small.manifest,
        interface=interface,
        input=interface.input((SIDE, SIDE)),
        output=interface.output((SIDE, SIDE), 2),
        artifacts=(Artifact(target, "fp32", tuple(files), 1, "direct", operators=tuple(sorted(set(operators)))),),
    )
    contents = {**{name: data for name, data in small.contents.items() if not name.startswith("onnx/")}, **files}
    return replace(small, manifest=sealed(replace(manifest, files=file_records(contents))), contents=contents)
