"""The stand-in for an engine that cannot run on the machine that builds it: its ONNX, on ONNX Runtime."""

from dataclasses import replace

import onnx
from onnx import TensorProto, helper, numpy_helper

from miniseg_edge.admission.models import operators_of
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.runtimes.backends.tensorrt.engine_record import engine_of

_PATH = "stand-in/model.onnx"


def stand_in(bundle: Bundle, artifact: Artifact) -> Bundle:
    """A bundle in memory whose only `onnx` artefact computes what the engine must compute."""
    data = rounded_to_half(bundle.contents[engine_of(artifact).onnx])
    operators = operators_of({_PATH: data})
    found = Artifact("onnx", artifact.precision, (_PATH,), artifact.nodes, artifact.form, operators=operators)
    others = tuple(other for other in bundle.manifest.artifacts if other.target != "onnx")
    manifest = replace(bundle.manifest, artifacts=(*others, found))
    return Bundle(bundle.name, manifest, {**bundle.contents, _PATH: data})


def rounded_to_half(data: bytes) -> bytes:
    """The same ONNX computed in FP32, with each FP16 value rounded to FP16; FP32 models are returned unchanged.

    ONNX Runtime has no FP16 convolutions on CPUs. It runs them in FP32 and drops the rounding in between, so that an
    FP16 model would be judged as if only its weights were rounded. Here the rounding is explicit.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    graph = model.graph
    half = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
        for index, name in enumerate(node.output):
            if name in half:
                node.output[index] = f"{name}_exact"
                nodes += _rounding(f"{name}_exact", name)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    for weights in graph.initializer:
        if weights.data_type == TensorProto.FLOAT16:
            weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights).astype("float32"), weights.name))
    found: bytes = model.SerializeToString()
    return found


def _rounding(exact: str, rounded: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [exact], [f"{rounded}_half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", [f"{rounded}_half"], [rounded], to=TensorProto.FLOAT),
    ]
