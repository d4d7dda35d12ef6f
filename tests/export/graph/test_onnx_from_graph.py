import onnx
import pytest
import torch
from onnx import TensorProto, helper

from miniseg_edge.errors import ExportError, UnsafeModelError
from miniseg_edge.export.graph.onnx_from_graph import check_onnx, onnx_from_graph
from miniseg_edge.tensors import TensorSpec

INPUT = TensorSpec("slice", (1, 1, 4, 4), "float32", "")
OUTPUT = TensorSpec("logit", (1, 1, 4, 4), "float32", "")


def model(operator: str = "Relu", domain: str = "", output_shape: tuple[int, ...] = OUTPUT.shape) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(operator, ["slice"], ["logit"], domain=domain)],
        "graph",
        [helper.make_tensor_value_info("slice", TensorProto.FLOAT, INPUT.shape)],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, output_shape)],
    )
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets)


def test_a_plain_model_passes() -> None:
    check_onnx(model(), INPUT, OUTPUT)


def test_custom_operators_are_named() -> None:
    with pytest.raises(UnsafeModelError, match=r"com\.evil\.Backdoor"):
        check_onnx(model("Backdoor", "com.evil"), INPUT, OUTPUT)


def test_external_data_is_named() -> None:
    found = model()
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    found.graph.initializer.append(tensor)
    with pytest.raises(UnsafeModelError, match="weights"):
        check_onnx(found, INPUT, OUTPUT)


def test_other_shapes_and_unknown_operators_fail() -> None:
    with pytest.raises(ExportError):
        check_onnx(model(output_shape=(1, 1, 4, 5)), INPUT, OUTPUT)
    with pytest.raises(ExportError):
        check_onnx(model("NoSuchOperator"), INPUT, OUTPUT)
    with pytest.raises(ExportError, match="inputs or outputs"):
        check_onnx(model(), INPUT, TensorSpec("mask", (1, 1, 4, 4), "float32", ""))


def test_what_torch_cannot_export_is_a_typed_error() -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(ExportError):
        onnx_from_graph(Branching(), INPUT, OUTPUT)
