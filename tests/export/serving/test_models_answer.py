"""The models in the layouts answer as their configurations say, with the Segmenter's own masks, bit by bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict

import miniseg_edge
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from tests.export.serving.backends import TYPES, opened
from tests.export.serving.conftest import Served
from tests.export.serving.schema import config_from_pbtxt

pytestmark = pytest.mark.slow
MODELS = {"miniseg-onnx": "onnxruntime", "miniseg-openvino": "openvino"}


def masks(served: Served, runtime: str, slices: list[Any]) -> Any:
    """(N, 1, H, W): what the Segmenter draws."""
    with miniseg_edge.load(served.path, runtime) as segmenter:
        return np.stack([mask(segmenter, one) for one in slices])[:, None]


def mask(segmenter: Segmenter, slice_: Any) -> Any:
    grey = segmenter.bundle.manifest.interface.values == "grey"
    return (segmenter.segment(slice_) if grey else segmenter.segment_hu(slice_)).mask


def request(slices: list[Any]) -> Any:
    """(N, 1, H, W): the slices as a client sends them, with nothing done to them."""
    return np.stack(slices)[:, None].astype(np.float32)


def triton_config(path: Path) -> dict[str, Any]:
    config = config_from_pbtxt((path / "config.pbtxt").read_bytes())
    found: dict[str, Any] = MessageToDict(config, preserving_proto_field_name=True)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_triton(served: Served, name: str) -> None:
    folder = served.path / "triton" / name
    config = triton_config(folder)
    model = opened(folder / "1", config)
    for count in (1, config["max_batch_size"]):
        slices = served.slices(count)
        found, expected = model(request(slices)), masks(served, MODELS[name], slices)
        assert found.dtype == TYPES[config["output"][0]["data_type"]]
        assert set(np.unique(expected)) == {0, 1}
        np.testing.assert_array_equal(found, expected)


def test_openvino_model_server(served: Served) -> None:
    """As the server opens it: the folder's newest version, the batch and every property of the configuration."""
    root = served.path / "ovms"
    (entry,) = json.loads((root / "config.json").read_text())["model_config_list"]
    config = entry["config"]
    openvino = require("openvino", "openvino")
    core = openvino.Core()
    network = core.read_model(root / config["base_path"] / "1" / "model.xml")
    network.reshape([config["batch_size"], *list(network.input(0).partial_shape)[1:]])
    compiled = core.compile_model(network, config["target_device"], config["plugin_config"])
    for key, value in config["plugin_config"].items():
        said = compiled.get_property(key)
        assert value in (str(said), said.to_string() if hasattr(said, "to_string") else "", getattr(said, "name", ""))
    requests = [compiled.create_infer_request() for _ in range(config["nireq"])]
    slices = served.slices(len(requests))
    for one in requests:
        one.start_async({"slice": request([slices[requests.index(one)]])})
    for one in requests:
        one.wait()
    found = np.concatenate([one.get_tensor("mask").data.copy() for one in requests])
    np.testing.assert_array_equal(found, masks(served, "openvino", slices))


def test_a_configuration_of_another_model_is_noticed(served: Served) -> None:
    """Else the tests above would show nothing."""
    folder = served.path / "triton" / "miniseg-onnx"
    for changed in ({"dims": ["1", "48", "65"]}, {"name": "image"}, {"data_type": "TYPE_UINT8"}):
        config = triton_config(folder)
        config["input"][0] |= changed
        with pytest.raises(ValueError, match="another one"):
            opened(folder / "1", config)
