import numpy as np
import onnx
import pytest

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.graph.openvino_from_onnx import openvino_from_onnx


def test_converts_without_losing_precision(bundle: Bundle) -> None:
    model = OnnxModel(bundle.contents["onnx/model.onnx"], 1)
    converted = openvino_from_onnx(model, bundle.manifest.input, bundle.manifest.output)
    assert b'element_type="f16"' not in converted.xml
    weights = [onnx.numpy_helper.to_array(weights) for weights in onnx.load_from_string(model.data).graph.initializer]
    assert len(converted.weights) >= 0.9 * sum(values.nbytes for values in weights if values.dtype == np.float32)


def test_what_openvino_cannot_read_is_a_typed_error(bundle: Bundle) -> None:
    with pytest.raises(ExportError):
        openvino_from_onnx(OnnxModel(b"nonsense", 0), bundle.manifest.input, bundle.manifest.output)


def test_other_shapes_than_the_manifests_are_refused(bundle: Bundle) -> None:
    model = OnnxModel(bundle.contents["onnx/model.onnx"], 1)
    with pytest.raises(ExportError, match="inputs or outputs"):
        openvino_from_onnx(model, bundle.manifest.output, bundle.manifest.input)
