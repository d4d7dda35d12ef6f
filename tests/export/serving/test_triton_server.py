"""A real Triton server takes the repository and answers with the Segmenter's masks over the Open Inference Protocol."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.export.serving.conftest import SIZE, Served
from tests.export.serving.test_models_answer import MODELS, masks, request
from tests.export.serving.triton_server import obstacle, triton_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(obstacle() is not None, reason=obstacle() or "")]
CLIENTS = 8


@pytest.fixture(scope="module")
def address(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with triton_server(served.path / "triton", tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address, network_timeout=600) as found:
        yield found


def asked(client: Any, model: str, values: Any, dtype: str = "FP32") -> Any:
    tensor = triton.InferInput("slice", values.shape, dtype)
    tensor.set_data_from_numpy(values)
    return client.infer(model, [tensor]).as_numpy("mask")


@pytest.mark.parametrize(("model", "batch"), [("miniseg-onnx", 4), ("miniseg-openvino", 1)])
def test_the_server_reads_the_configuration(client: Any, served: Served, model: str, batch: int) -> None:
    assert client.is_model_ready(model)
    found = client.get_model_metadata(model)
    assert found["inputs"] == [{"name": "slice", "datatype": "FP32", "shape": [-1, 1, *SIZE]}]
    assert found["outputs"] == [{"name": "mask", "datatype": "UINT8", "shape": [-1, 1, *SIZE]}]
    config = client.get_model_config(model)
    assert config["parameters"]["miniseg_origin"]["string_value"] == served.bundle.manifest.origin
    assert (config["max_batch_size"], config["instance_group"][0]["count"]) == (batch, 2)


@pytest.mark.parametrize(("model", "count"), [("miniseg-onnx", 1), ("miniseg-onnx", 4), ("miniseg-openvino", 1)])
def test_a_request_gets_the_segmenters_masks(client: Any, served: Served, model: str, count: int) -> None:
    slices = served.slices(count)
    found = asked(client, model, request(slices))
    assert (found.shape, found.dtype) == ((count, 1, *SIZE), np.uint8)
    np.testing.assert_array_equal(found, masks(served, MODELS[model], slices))


@pytest.mark.parametrize("model", MODELS)
def test_no_clients_mask_is_anothers(address: str, served: Served, model: str) -> None:
    """Which of them are put together is the server's business."""
    slices = served.slices(CLIENTS)
    expected = masks(served, MODELS[model], slices)

    def one_client(index: int) -> list[Any]:
        with triton.InferenceServerClient(address, network_timeout=600) as client:
            return [asked(client, model, request(slices[index : index + 1])) for _ in range(5)]

    with ThreadPoolExecutor(CLIENTS) as clients:
        for index, found in enumerate(clients.map(one_client, range(CLIENTS))):
            for mask in found:
                np.testing.assert_array_equal(mask, expected[index : index + 1])


@pytest.mark.parametrize(
    ("values", "dtype", "said"),
    [
        (np.zeros((5, 1, *SIZE), np.float32), "FP32", "batch-size must be <="),
        (np.zeros((1, 1, 64, 64), np.float32), "FP32", "unexpected shape"),
        (np.zeros((1, 1, *SIZE), np.uint8), "UINT8", "inference input 'slice' data-type"),
    ],
)
def test_what_the_graph_does_not_take_is_refused(client: Any, values: Any, dtype: str, said: str) -> None:
    for model in MODELS:
        with pytest.raises(InferenceServerException, match=said):
            asked(client, model, values, dtype)


def test_the_snippets_of_the_documentation(
    address: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client, and the golden slices, which an answer that is turned round does not pass."""
    text = (Path(__file__).parents[3] / "docs" / "model-servers.md").read_text(encoding="utf-8")
    client, golden = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(client.replace("localhost:8000", address), names)
    slices = served.slices(1)
    np.testing.assert_array_equal(names["mask_of"](slices[0])[None, None], masks(served, "onnxruntime", slices))
    (tmp_path / "bundle").symlink_to(served.path)
    monkeypatch.chdir(tmp_path)
    exec(golden, names)
    mask_of = names["mask_of"]
    with pytest.raises(AssertionError, match="has another mask"):
        exec(golden, {**names, "mask_of": lambda slice_: 1 - mask_of(slice_)})
    names["client"].close()
