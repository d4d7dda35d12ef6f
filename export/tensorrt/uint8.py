"""An ONNX with UINT8 only at its output: TensorRT supports it only there, and only converts it from floats.

Classes are small integers, which FP32 represents exactly, so the mask is unchanged.
"""

import onnx
from onnx import TensorProto, helper, numpy_helper

from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, check_onnx
from miniseg_edge.tensors import TensorSpec


def uint8_at_the_end(model: OnnxModel, input_: TensorSpec, output: TensorSpec) -> OnnxModel:
    """Computes in FP32 what was UINT8, and casts the output; a model without UINT8 is returned unchanged.

    Raises:
        ExportError: the result fails ONNX's full check.
    """
    found = onnx.load_from_string(model.data)
    graph = found.graph
    if graph.output[0].type.tensor_type.elem_type != TensorProto.UINT8:
        return model
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.UINT8:
                attribute.i = TensorProto.FLOAT
        for index, name in enumerate(node.output):
            if name == output.name:
                node.output[index] = f"{name}_as_float"
    for weights in graph.initializer:
        if weights.data_type == TensorProto.UINT8:
            weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights).astype("float32"), weights.name))
    graph.node.append(
        helper.make_node("Cast", [f"{output.name}_as_float"], [output.name], name="mask/Cast_end", to=TensorProto.UINT8)
    )
    del graph.value_info[:]
    check_onnx(found, input_, output)
    return OnnxModel(found.SerializeToString(), len(graph.node))
